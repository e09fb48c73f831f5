/** Token ids that workloads are made of. All pure. */

/** Seeded token ids (linear congruential, the low bits dropped), so that a workload is the same in every run. */
export function seededIds(seed: number, count: number, vocabulary: number): Uint32Array {
  const ids = new Uint32Array(count);
  let state = seed >>> 0;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    // Ids below 16 are left out: they are special in many vocabularies.
    ids[i] = 16 + ((state >>> 8) % (vocabulary - 16));
  }
  return ids;
}

/** Token arrays one after the other. */
export function joined(parts: readonly ArrayLike<number>[]): Uint32Array {
  const ids = new Uint32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    ids.set(part, at);
    at += part.length;
  }
  return ids;
}
