/** A voice assistant: thousands of short openings, nearly all of them one of a few dozen sentences that were warmed before. */

import type { Engine } from 'octavo';
import { seededIds } from '../token-ids.ts';
import { independent, type Workload } from './workload.ts';

const SYSTEM =
  'You are a voice assistant. Answer in one short sentence, without lists or symbols, as it will be spoken aloud. ' +
  'If you do not know, say so. Units are metric and times are local.';

/** What people say first. */
const OPENINGS: readonly string[] = [
  "What's the weather like today?",
  'Set a timer for 10 minutes',
  'Set an alarm for 7 tomorrow morning',
  'What time is it?',
  'Turn on the kitchen lights',
  'Turn off all the lights',
  'Play some music',
  'Stop the music',
  'Next song',
  'Turn the volume up',
  'Turn the volume down',
  'Will it rain tomorrow?',
  'How cold is it outside?',
  "What's on my calendar today?",
  'Add milk to the shopping list',
  "What's on the shopping list?",
  'Call my mother',
  'Read my messages',
  'Send a message to Anna',
  'How long does it take to get to work?',
  'Tell me the news',
  'Tell me a joke',
  'Remind me to take out the bins',
  'Cancel the timer',
  'How much time is left on the timer?',
  'Set the heating to 20 degrees',
  'Lock the front door',
  'Is the garage door closed?',
  'Start the vacuum cleaner',
  'Who is at the door?',
  'What day is it?',
  'When does the sun set?',
  'How do you spell rhythm?',
  'What is 15 percent of 80?',
  'How many grams are in an ounce?',
  'Translate good evening into Spanish',
  'Play the radio',
  'Good morning',
  'Good night',
  'Repeat that, please',
];

const IN_FLIGHT = 16;
const NEW_TOKENS = 4;
const EXCERPT = 128;
/** One opening in so many is one that nobody has said before: the sentence goes on with words of its own. */
const UNHEARD_EVERY = 10;

/** Opening i is drawn with a seeded generator. `shipped` only tokenizes: the ids run on the model that is measured. */
export async function voice(shipped: Engine, openings: number): Promise<Workload> {
  const prompts = await Promise.all(
    OPENINGS.map(async (opening) =>
      Uint32Array.from(
        await shipped.tokenize(
          `<|im_start|>system\n${SYSTEM}<|im_end|>\n<|im_start|>user\n${opening}<|im_end|>\n<|im_start|>assistant\n`,
        ),
      ),
    ),
  );
  const unheard = Uint32Array.from(await shipped.tokenize(', and then say it once more in other words'));
  const drawn = seededIds(3, openings, 1 << 16);
  const requests = Array.from(drawn, (draw, index) => {
    const prompt = prompts[draw % prompts.length] as Uint32Array;
    const ids = index % UNHEARD_EVERY === UNHEARD_EVERY - 1 ? Uint32Array.from([...prompt, ...unheard]) : prompt;
    return { ids, maxTokens: NEW_TOKENS };
  });
  const about =
    `${openings} short openings from ${prompts.length} warm-started prompts, one in ${UNHEARD_EVERY} continued with words of its own, ` +
    `${IN_FLIGHT} at a time, ${NEW_TOKENS} new`;
  // Without sharing every opening costs the same: a few of them tell the rate.
  const excerpt = independent({ name: 'voice', about }, requests.slice(0, EXCERPT), IN_FLIGHT);
  return independent({ name: 'voice', about, warm: prompts, excerpt }, requests, IN_FLIGHT);
}
