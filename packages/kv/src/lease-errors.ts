import { KvError } from './errors.ts';

/** The misuses of a lease, each as the error that says what to do instead. */
export const LEASE_ERRORS = {
  released: () =>
    new KvError('LEASE_RELEASED', 'This lease was released; release each lease exactly once, after its last use.'),
  sealed: (tokens: number) =>
    new KvError('LEASE_SEALED', `This lease was sealed at ${tokens} tokens; fork it to go on.`),
  copiesPending: (count: number) =>
    new KvError('COPIES_PENDING', `${count} copies are pending; perform them and call transferred() first.`),
  reach: (tokens: number) =>
    new KvError('INVALID_TOKENS', `A page table cannot reach ${tokens} tokens; give a whole number from 0 on.`),
  covers: (least: number, tokens: number) =>
    new KvError('INVALID_TOKENS', `A fork takes over all ${least} published tokens, not ${tokens}.`),
  written: (reach: number, tokens: number) =>
    new KvError(
      'INVALID_TOKENS',
      `writtenTokens must be in [0, ${reach}], as far as tokens and page table reach, not ${tokens}.`,
    ),
};
