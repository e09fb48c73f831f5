/** What a client keeps of whatever is open. */
import type { OpenProgress } from './api.ts';
import type { WarmOptions } from './cache-api.ts';
import type { ContextDetector } from './context/context-detector.ts';
import type { GenerationBuffer } from './generation.ts';
import type { CallKind, Calls, CompleteMessage, RequestEvent } from './protocol.ts';
import type { ResolvedTruncation } from './truncation/resolve-truncation.ts';
import type { TruncateFunction } from './truncation-api.ts';

/** What requests fall back to; kept in the caller's thread, since functions cannot leave it. */
export interface ClientDefaults {
  readonly onProgress?: (progress: OpenProgress) => void;
  readonly truncation?: ResolvedTruncation;
  readonly contextDetector?: ContextDetector;
}

/** A request that was sent. */
export interface Sent {
  readonly message: CompleteMessage;
  /** There when prompts over the limit come back to the caller. */
  readonly truncate: TruncateFunction | undefined;
  isAborted: boolean;
}

export interface OpenGeneration {
  readonly buffer: GenerationBuffer;
  readonly sent: Sent;
  /** Stops listening to the caller's signal. */
  readonly detach: () => void;
}

export interface OpenCall {
  readonly resolve: (output: Calls[CallKind]['output']) => void;
  readonly reject: (reason: unknown) => void;
  readonly onProgress: WarmOptions['onProgress'];
  readonly detach: () => void;
}

export type OverLimit = Extract<RequestEvent, { readonly kind: 'over-limit' }>;
