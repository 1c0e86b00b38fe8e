import { EVENTS, lastOf, tellsProgress } from '../api/callProgress';
import { client } from '../api/client';
import { untilConnected } from '../api/connection';
import { CallFailed, failureOf, pageFailure } from '../api/failure';
import { untilKey } from '../api/key';
import { pause } from '../api/pause';
import type { AnalyzeAnswer, JobProgress } from '../api/schema';
import { typeToSend } from '../images/kinds';
import type { Values } from '../options/values';

const MOST_TRIES_WHEN_BUSY = 20;
const MOST_TRIES_WHEN_GONE = 2;
const DEFAULT_WAIT_S = 1;
const LONGEST_WAIT_S = 30;
const JSON_ONLY = 'application/json';

export type Held = 'server' | 'key' | 'busy' | null;

/** What becomes of a call before it has ended. */
export interface Told {
  held?: (held: Held) => void;
  progress?: (progress: JobProgress) => void;
}

/**
 * Run a plugin on an image and return the answer. Aborting the signal cancels the call on the server too: it ends the
 * call of a caller who hangs up. Waits where waiting helps: for a server that is gone, for a key, while it is busy.
 * Rejects with CallFailed, or with the signal's reason.
 */
export async function analyze(
  file: Blob,
  plugin: string,
  options: Values,
  signal: AbortSignal,
  told: Told = {},
): Promise<AnalyzeAnswer> {
  const onHeld = told.held ?? (() => undefined);
  const type = await typeToSend(file).catch(() => {
    throw pageFailure('file_not_readable', 'The browser cannot read the file any more.');
  });
  for (let gone = 0, busy = 0; ;) {
    try {
      return await call(file, type, plugin, options, signal, told.progress);
    } catch (failed) {
      signal.throwIfAborted();
      if (!(failed instanceof CallFailed)) throw failed;
      if (failed.status === 401) {
        onHeld('key');
        await untilKey(signal, failed);
      } else if (failed.code === 'server_unreachable') {
        gone += 1;
        if (gone >= MOST_TRIES_WHEN_GONE) throw failed;
        onHeld('server');
        await untilConnected(signal);
      } else if (failed.status === 429 && busy < MOST_TRIES_WHEN_BUSY) {
        busy += 1;
        onHeld('busy');
        await pause(Math.min(failed.retryAfterS ?? DEFAULT_WAIT_S, LONGEST_WAIT_S) * 1_000, signal);
      } else {
        throw failed;
      }
      onHeld(null);
    }
  }
}

/** Call once; with `onProgress` the server tells how far a plugin is that reports it. Rejects with CallFailed. */
export async function call(
  file: Blob,
  type: string,
  plugin: string,
  options: Values,
  signal: AbortSignal,
  onProgress?: (progress: JobProgress) => void,
): Promise<AnalyzeAnswer> {
  const query = Object.keys(options).length > 0 ? { plugin, options: JSON.stringify(options) } : { plugin };
  const accepted = onProgress === undefined ? JSON_ONLY : `${JSON_ONLY}, ${EVENTS}`;
  const { error, response } = await client.POST('/v1/analyze', {
    params: { query },
    // The document's body type is a string for binary data; the bytes go as they are.
    body: '',
    bodySerializer: () => file,
    headers: { 'Content-Type': type, Accept: accepted },
    parseAs: 'stream',
    signal,
  });
  if (!response.ok) throw failureOf(error, response);
  if (onProgress !== undefined && tellsProgress(response)) return lastOf(response, onProgress, signal);
  return (await response.json()) as AnalyzeAnswer;
}
