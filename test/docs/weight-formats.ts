/** What weights in 8 and in 4 bits cost: the shipped model's questions, answered and scored in each format. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileModel, LEVEL_COUNT, openEngine, openText, shippedModel } from 'octavo';
import { octavoJson, scratch } from '../cli/octavo.testing.ts';

export const formats = ['f32', 'q8', 'q4', 'w8a8', 'q4+w8a8'] as const;

export interface FormatError {
  readonly weights: (typeof formats)[number];
  /** Bytes of all weights that the graph reads. */
  readonly bytes: number;
  /** Of 300 questions, as the demo counts them. */
  readonly correctAnswers: number;
  /** exp(-mean logarithm of the probability) of all tokens but the first of each conversation: descriptions, questions and expected answers. */
  readonly perplexity: number;
}

interface Question {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly expected_answer: string;
}

/** Effect: compiles into the scratch folder; runs the demo and scores 300 conversations for each format. */
export async function measureFormats(): Promise<FormatError[]> {
  const conversations = await readConversations();
  const measured: FormatError[] = [];
  for (const weights of formats) {
    const demo = ['demo', '--weights', weights, '--customers', '32'];
    const { sharingOn } = await octavoJson<{ sharingOn: { correctAnswers: number } }>(demo);
    const cacheFolder = join(scratch, 'cache');
    const { weightBytes } = await compileModel(shippedModel(), { weights, levels: LEVEL_COUNT, cacheFolder });
    measured.push({
      weights,
      bytes: weightBytes,
      correctAnswers: sharingOn.correctAnswers,
      perplexity: await perplexityOf(conversations, { weights, cacheFolder }),
    });
  }
  return measured;
}

/** All 300 conversations, each with the expected answer behind its last question, as token ids. */
async function readConversations(): Promise<readonly (readonly number[])[]> {
  const text = await openText(shippedModel());
  if (text === undefined) throw new Error('the shipped model has no tokenizer');
  const lines = readFileSync(join(shippedModel(), 'eval.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const { messages, expected_answer: expected } = JSON.parse(line) as Question;
    return [...text.encodeChat(messages), ...text.encode(`${expected}<|im_end|>`)];
  });
}

async function perplexityOf(
  conversations: readonly (readonly number[])[],
  options: { readonly weights: FormatError['weights']; readonly cacheFolder: string },
): Promise<number> {
  const engine = await openEngine(shippedModel(), options);
  try {
    const scores = await Promise.all(conversations.map((ids) => engine.score({ ids })));
    const logprobs = scores.flatMap((score) => score.logprobs);
    return Math.exp(-logprobs.reduce((sum, logprob) => sum + logprob, 0) / logprobs.length);
  } finally {
    await engine.close();
  }
}

/** The table of docs/weights.md. Pure. */
export function formatTable(measured: readonly FormatError[]): string {
  const [float] = measured;
  const rows = measured.map(({ weights, bytes, correctAnswers, perplexity }) => {
    const share = float === undefined ? 1 : perplexity / float.perplexity - 1;
    return [
      `\`${weights}\``,
      `${(bytes / 2 ** 20).toFixed(2)} MiB`,
      `${correctAnswers} of 300`,
      perplexity.toFixed(4),
      weights === 'f32' ? '' : `${share >= 0 ? '+' : ''}${(100 * share).toFixed(2)} %`,
    ];
  });
  const header = ['weights', 'bytes', 'correct answers', 'perplexity', 'against f32'];
  const widths = header.map((cell, column) => Math.max(cell.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}
