/** Far above every published model; a config beyond them is taken for a lie before anything is built from it. */
export const most = {
  layers: 1 << 10,
  heads: 1 << 10,
  headDim: 1 << 12,
  hidden: 1 << 17,
  intermediate: 1 << 20,
  experts: 1 << 10,
  expertsInAll: 1 << 15,
  vocabulary: 1 << 23,
  context: 1 << 30,
};
