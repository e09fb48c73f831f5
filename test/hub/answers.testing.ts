/** Parts of HTTP answers, and what can go wrong with them. */
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';

/** With a status, the whole answer is the fault; else something happens to the bytes of a file. */
export interface Fault {
  readonly status?: number;
  readonly headers?: OutgoingHttpHeaders;
  readonly message?: string;
  /** The connection is cut after so many bytes of the body. */
  readonly cutAfter?: number;
  /** The body ends properly after so many bytes. */
  readonly endAfter?: number;
  /** The answer stops after so many bytes, and the connection stays. */
  readonly hangAfter?: number;
  /** The range that was asked for is ignored. */
  readonly ignoreRange?: boolean;
  /** Something else is sent. */
  readonly bytes?: Buffer;
}

export function sendJson(
  response: ServerResponse,
  value: unknown,
  { status = 200, headers = {} }: { status?: number; headers?: OutgoingHttpHeaders } = {},
): ServerResponse {
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers });
  return response.end(JSON.stringify(value));
}

export interface RangeAnswer {
  readonly bytes: Buffer;
  readonly range: string | undefined;
  readonly headers: OutgoingHttpHeaders;
  readonly fault: Fault | undefined;
}

/** The bytes, or the range of them that was asked for. */
export function answerRange(response: ServerResponse, answer: RangeAnswer): ServerResponse {
  const { bytes: stored, range, headers, fault } = answer;
  const isProbe = range === 'bytes=0-0';
  const bytes = isProbe ? stored : (fault?.bytes ?? stored);
  const [, first, last] = (fault?.ignoreRange && !isProbe ? null : /^bytes=(\d+)-(\d*)$/.exec(range ?? '')) ?? [];
  const start = Number(first ?? 0);
  const end = last === undefined || last === '' ? bytes.length : Math.min(Number(last) + 1, bytes.length);
  if (start >= bytes.length && bytes.length > 0) return response.writeHead(416, headers).end();
  const part = bytes.subarray(start, end);
  const partial = first === undefined ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` };
  const chunked = fault?.endAfter !== undefined;
  response.writeHead(first === undefined ? 200 : 206, {
    'accept-ranges': 'bytes',
    ...headers,
    ...partial,
    ...(chunked ? {} : { 'content-length': part.length }),
  });
  if (isProbe || fault === undefined) return response.end(part);
  if (fault.cutAfter !== undefined) {
    response.write(part.subarray(0, fault.cutAfter), () => setTimeout(() => response.destroy(), 20));
    return response;
  }
  if (fault.endAfter !== undefined) return response.end(part.subarray(0, fault.endAfter));
  if (fault.hangAfter === undefined) return response.end(part);
  response.write(part.subarray(0, fault.hangAfter));
  return response;
}

export async function readBody(request: IncomingMessage): Promise<void> {
  for await (const _ of request);
}
