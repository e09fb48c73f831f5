/** The classic example: many customers ask about one television, as text, on the shipped model. */
import type { Engine } from 'octavo';
import { independent, type Workload } from './workload.ts';

const SYSTEM =
  'You are a helpful store assistant. Answer using only the product description.\n\n' +
  "Product description: The Harbour 55: 55-inch 4K Ultra HD Smart LED TV. It comes with a 2-year manufacturer's warranty that covers " +
  'parts and labour. For best results mount it with a compatible wall bracket, sold separately. It has three HDMI ports and two USB ' +
  'ports. It weighs 14.2 kg. The price is $449. You can return it within 30 days.';

const QUESTIONS = [
  'How long is the warranty?',
  'What does the warranty cover?',
  'Does it come with a wall bracket?',
  'What about the wall bracket?',
  'How much is it?',
  'What is the price?',
  'What does it weigh?',
  'How heavy is it?',
  'How large is the screen?',
  'What resolution does this TV have?',
  'Which ports does it have?',
  'Can I return it?',
  'How many days do I have to return it?',
  'What is the product name?',
  'Is there a warranty?',
  'Can I mount it on the wall?',
];

const GREETINGS = [
  '',
  'Hello, ',
  'Hi! ',
  'Quick question: ',
  'Good morning. ',
  'Excuse me, ',
  'One more thing: ',
  'Hey, ',
];
const CUSTOMERS_AT_A_TIME = 16;
const NEW_TOKENS = 24;

/** Customer i asks question i with one of the greetings in front. The chat template is the shipped model's (ChatML). */
export async function support(engine: Engine, customers: number): Promise<Workload> {
  const requests = await Promise.all(
    Array.from({ length: customers }, async (_, customer) => {
      const question = QUESTIONS[customer % QUESTIONS.length] as string;
      const greeting = GREETINGS[Math.floor(customer / QUESTIONS.length) % GREETINGS.length] as string;
      const text = `<|im_start|>system\n${SYSTEM}<|im_end|>\n<|im_start|>user\n${greeting}${question}<|im_end|>\n<|im_start|>assistant\n`;
      return { ids: Uint32Array.from(await engine.tokenize(text)), maxTokens: NEW_TOKENS };
    }),
  );
  const about = `${customers} customers ask about one television (shipped model), ${CUSTOMERS_AT_A_TIME} at a time, ${NEW_TOKENS} new`;
  return independent({ name: 'support', about }, requests, CUSTOMERS_AT_A_TIME);
}
