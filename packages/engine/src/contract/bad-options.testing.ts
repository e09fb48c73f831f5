/** Options that an engine does not open with, and what it says. */
export const badOptions: readonly { readonly options: object; readonly code: string; readonly message: RegExp }[] = [
  {
    options: { pages: 0 },
    code: 'INVALID_OPTION',
    message: /pages of the options of the engine is 0: give an integer of at least 2/,
  },
  { options: { pageSize: -16 }, code: 'INVALID_OPTION', message: /pageSize of the options of the engine is -16/ },
  { options: { maxSequences: 0 }, code: 'INVALID_OPTION', message: /maxSequences/ },
  { options: { tokenBudget: 0 }, code: 'INVALID_OPTION', message: /tokenBudget/ },
  { options: { promptStepsInTurn: 0 }, code: 'INVALID_OPTION', message: /promptStepsInTurn/ },
  { options: { threads: 0 }, code: 'INVALID_OPTION', message: /threads/ },
  {
    options: { weights: 'q2' },
    code: 'INVALID_OPTION',
    message: /is 'q2': give 'f32' or 'q8' or 'q4' or 'w8a8' or 'q4\+w8a8'/,
  },
  { options: { kvType: 'int4' }, code: 'INVALID_OPTION', message: /is 'int4': give 'f32' or 'f16' or 'int8'/ },
  { options: { memory: 0.5 }, code: 'INVALID_OPTION', message: /memory of the options of the engine is 0.5/ },
  {
    options: { memory: 1e9, pages: 9 },
    code: 'INVALID_OPTION',
    message: /pages is 9 and memory 1000000000: give one/,
  },
  {
    options: { memory: 2 ** 52 },
    code: 'MEMORY_TOO_LARGE',
    message: /this machine grants [\d,]+ MB, give at most that/,
  },
  { options: { memory: 1e6 }, code: 'MEMORY_TOO_SMALL', message: /the weights take \d+ MB.*give at least \d+ MB/ },
  { options: { page_size: 16 }, code: 'UNKNOWN_OPTION', message: /does not know page_size/ },
  { options: { contextTokens: 5000 }, code: 'INVALID_OPTION', message: /contextTokens is 5000: the model has 1024/ },
  {
    options: { pages: 2 ** 40 },
    code: 'POOL_NOT_ALLOCATED',
    message: /could not be allocated: open with fewer pages/,
  },
];
