/** Errors across the thread border: what was thrown as plain values, and back as an `EngineError` with the same code. */
import { type AnyErrorCode, EngineError, type EngineErrorCode } from './errors.ts';
import type { WireError } from './protocol.ts';

/** Errors of this repository's packages: their codes are promises to callers and are kept. Other codes (ENOENT...) are not ours. */
const TYPED = new Set(['EngineError', 'GraphError', 'ModelsError', 'TextError', 'KvError', 'SchedulerError']);

/** Where a model's fault lies: fields of GraphError. */
const PLACES = ['file', 'tensor', 'node'] as const;
type Place = (typeof PLACES)[number];

/** Plain values of whatever was thrown; `fallback` is the code of what has none of ours. Pure. */
export function toWireError(thrown: unknown, fallback: EngineErrorCode): WireError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (!(thrown instanceof Error)) return { code: fallback, message, details: {} };
  const fields = thrown as Error & { code?: unknown; details?: WireError['details'] } & Partial<Record<Place, unknown>>;
  const details: Record<string, number | string> = { ...fields.details };
  for (const place of PLACES) {
    const named = fields[place];
    if (typeof named === 'string') details[place] = named;
  }
  // The classes that are named above have no other codes.
  const code = TYPED.has(thrown.name) ? (fields.code as AnyErrorCode) : fallback;
  const cause = thrown.cause instanceof Error ? (thrown.cause.stack ?? thrown.cause.message) : thrown.cause;
  return { code, message, details, ...(cause === undefined ? {} : { cause: String(cause) }) };
}

/** The error that a caller sees. Its stack is the receiver's; the sender's is in the cause, if there was one. Pure. */
export function fromWireError(wire: WireError): EngineError {
  const cause = wire.cause === undefined ? {} : { cause: wire.cause };
  return new EngineError(wire.code, wire.message, { details: wire.details, ...cause });
}
