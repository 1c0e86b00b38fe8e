import { EventSourceParserStream } from 'eventsource-parser/stream';

import { connectionLost } from './connection';
import { failureOf, unreachable } from './failure';
import type { AnalyzeAnswer, JobProgress } from './schema';
import { Silence } from './silence';

export const EVENTS = 'text/event-stream';

/** The last event: what the answer would have been if nothing had been told before. */
interface CallEnd {
  status: number;
  body: unknown;
}

/**
 * Return the body of an answer that tells progress before it ends. Throws CallFailed: the failure that the end tells, or
 * `server_unreachable` if the stream breaks off before or brings nothing for too long; and the signal's reason.
 */
export async function lastOf(
  response: Response,
  onProgress: (progress: JobProgress) => void,
  signal: AbortSignal,
): Promise<AnalyzeAnswer> {
  const silence = new Silence();
  const end = await readToEnd(response, onProgress, silence).catch(() => null);
  silence.end();
  signal.throwIfAborted();
  if (end === null) {
    connectionLost();
    throw unreachable();
  }
  if (end.status !== 200) throw failureOf(end.body, new Response(null, { status: end.status }));
  return end.body as AnalyzeAnswer;
}

/** Whether an answer tells progress before it ends. */
export function tellsProgress(response: Response): boolean {
  return response.headers.get('Content-Type')?.startsWith(EVENTS) ?? false;
}

async function readToEnd(
  response: Response,
  onProgress: (progress: JobProgress) => void,
  silence: Silence,
): Promise<CallEnd | null> {
  if (response.body === null) return null;
  const events = silence
    .over(response.body)
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream())
    .getReader();
  for (let next = await events.read(); !next.done; next = await events.read()) {
    const { event, data } = next.value;
    if (event === 'progress') onProgress(JSON.parse(data) as JobProgress);
    if (event === 'end') return JSON.parse(data) as CallEnd;
  }
  return null;
}
