/** How the collector of this process works. */
import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';

/** As many cores as the runtime's threads and the engine's fill. */
const FEW_CORES = 2;

/**
 * Keeps pauses short: V8 collects young objects in several threads at once and waits for all of them, on few cores also for one that gets
 * no core while a model runs (4 to 10 ms where 1 to 4 are needed, with a million entries in the cache). Effect: on few cores, sets a flag of V8 for
 * the whole process, which is why only the command line does it; a service passes `--no-parallel-scavenge` to Node.
 */
export function calmCollector(cores = availableParallelism(), setFlags = setFlagsFromString): void {
  if (cores <= FEW_CORES) setFlags('--no-parallel-scavenge');
}
