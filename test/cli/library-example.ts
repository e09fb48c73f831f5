import { openEngine, shippedModel } from 'octavo';

// A folder as the Hugging Face hub has it; this one comes with the package.
const engine = await openEngine(shippedModel());

const system = {
  role: 'system',
  content:
    'You are a helpful store assistant. Answer using only the product description.\n\n' +
    'Product description: The Harbour 55: 55-inch 4K Ultra HD Smart LED TV. It comes with a ' +
    "2-year manufacturer's warranty. It weighs 14.2 kg. The price is $449.",
};

for (const question of ['How much is it?', 'How long is the warranty?', 'What does it weigh?']) {
  const answer = engine.chat({ messages: [system, { role: 'user', content: question }] });
  for await (const { text } of answer) process.stdout.write(text ?? '');
  const { usage } = await answer.result();
  process.stdout.write(` (${usage.cachedTokens} of ${usage.promptTokens} prompt tokens were cached)\n`);
}

await engine.close();
