/**
 * The one door to the internals of this package, for `checkScheduler` and for tests that break a law on purpose.
 * It is not exported from the package. Whoever writes through it can break every promise the package makes.
 */
export const INTERNALS: unique symbol = Symbol('octavo.scheduler.internals');
