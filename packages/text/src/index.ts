export type { ChatMessage, RenderOptions } from './chat-template.ts';
export type { Detokenizer, DetokenizerOptions } from './detokenizer.ts';
export type { TextErrorCode, TextErrorOptions } from './errors.ts';
export { TextError } from './errors.ts';
export type { StopMatch } from './stop-matcher.ts';
export { StopMatcher } from './stop-matcher.ts';
export type { EncodeOptions, TextCodec } from './text-codec.ts';
export { openText } from './text-codec.ts';
