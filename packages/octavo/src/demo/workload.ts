/** What the demo serves: the shipped catalog, and customers who ask about its products. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Message } from '@octavo/engine';

/** One line of catalog.jsonl; the fields that are used here. */
export interface Product {
  readonly id: string;
  readonly name: string;
  readonly description: string;
}

/** One line of eval.jsonl: a conversation that ends in a question, and what a right answer says. */
export interface Question {
  readonly id: string;
  /** `Product.id` */
  readonly product: string;
  /** False: the description lacks the fact, and the right answer says so. */
  readonly stated: boolean;
  /** 1 for a first question, more for a follow-up. */
  readonly turn: number;
  readonly messages: readonly Message[];
  readonly expected_value: string;
  readonly expected_answer: string;
}

export interface Workload {
  readonly products: readonly Product[];
  readonly questions: readonly Question[];
}

/** Reads catalog.jsonl and eval.jsonl of a model folder. */
export async function readWorkload(folder: string): Promise<Workload> {
  const [products, questions] = await Promise.all([
    readCatalog(folder),
    readLines<Question>(join(folder, 'eval.jsonl')),
  ]);
  return { products, questions };
}

export async function readCatalog(folder: string): Promise<readonly Product[]> {
  return readLines<Product>(join(folder, 'catalog.jsonl'));
}

/** These files come with the package: their lines are what the types say. */
async function readLines<Line>(path: string): Promise<readonly Line[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** The system message that the model saw most often in training (see its card). Pure. */
export function systemPrompt(product: Product): string {
  return `You are a helpful store assistant. Answer using only the product description.\n\nProduct description: ${product.description}`;
}

/**
 * The questions in the order in which customers ask them: any product after any other, not five about one product in a row.
 * Same seed, same order (Fisher-Yates; mulberry32, Tommy Ettinger's 32-bit generator). Pure.
 */
export function inArrivalOrder(questions: readonly Question[], seed: number): readonly Question[] {
  const order = [...questions];
  const random = mulberry32(seed);
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    const question = order[last]!;
    order[last] = order[other]!;
    order[other] = question;
  }
  return order;
}

/** Numbers in [0, 1). */
function mulberry32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
