/** How a question is answered, once. */
import type { CallKind, Calls } from '../protocol.ts';

export interface Settle {
  readonly answer: (output: Calls[CallKind]['output']) => void;
  readonly fail: (error: unknown) => void;
}

/** Answers with what `work` returns, or fails with what it throws. */
export function settled(settle: Settle, work: () => Calls[CallKind]['output']): void {
  let output: Calls[CallKind]['output'];
  try {
    output = work();
  } catch (error) {
    settle.fail(error);
    return;
  }
  settle.answer(output);
}
