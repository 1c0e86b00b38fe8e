import { EventSourceParserStream } from 'eventsource-parser/stream';
import { useEffect, useEffectEvent, useState } from 'react';

import { guardedFetch } from './client';
import { untilConnected } from './connection';
import { CallFailed, asFailure, failureOf } from './failure';
import { useIsHidden } from './hidden';
import { useKey } from './key';
import { pause } from './pause';
import { Silence } from './silence';

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 15_000;
const LOOK_WHILE_HIDDEN_MS = 10_000;

export interface ServerEvent {
  event: string;
  data: unknown;
  id: string | undefined;
}

/**
 * Follow a route of server-sent events until the signal aborts or the stream's `end` event. EventSource is not used:
 * it cannot send the API key. A stream that breaks, or brings nothing for too long, is taken up again after the last event
 * that was seen.
 * Rejects with CallFailed if the server refuses (4xx), and with the signal's reason.
 */
export async function followEvents(
  path: string,
  onEvent: (event: ServerEvent) => void,
  signal: AbortSignal,
  onOpen: (open: boolean) => void = () => undefined,
): Promise<void> {
  let lastId: string | undefined;
  let wait_ms = FIRST_WAIT_MS;
  for (;;) {
    await untilConnected(signal);
    const silence = new Silence();
    try {
      const stream = await openStream(path, lastId, signal, silence);
      onOpen(true);
      for (let next = await stream.read(); !next.done; next = await stream.read()) {
        wait_ms = FIRST_WAIT_MS;
        lastId = next.value.id ?? lastId;
        const event = next.value.event ?? 'message';
        onEvent({ event, data: parsed(next.value.data), id: next.value.id });
        if (event === 'end') return;
      }
    } catch (broken) {
      signal.throwIfAborted();
      const refused = broken instanceof CallFailed && broken.status >= 400 && broken.status < 500;
      if (refused && broken.status !== 429) throw broken;
    } finally {
      silence.end();
    }
    onOpen(false);
    await pause(wait_ms, signal);
    wait_ms = Math.min(wait_ms * 2, LONGEST_WAIT_MS);
  }
}

export interface Following {
  /** The stream is open, so that what is shown is live. */
  live: boolean;
  failure: CallFailed | null;
}

/** What was missed is to be asked for. The server tells it too, where it knows. */
const RESYNC: ServerEvent = { event: 'resync', data: null, id: undefined };

/**
 * Follow server-sent events while the component is there; `path` null follows nothing. Each time that the stream opens a
 * `resync` comes first, for what happened before. Out of sight there is no stream, as a browser has six connections to a
 * server for all of its tabs, but a `resync` now and then: the tab's title tells how far it is.
 */
export function useServerEvents(path: string | null, onEvent: (event: ServerEvent) => void): Following {
  const key = useKey((state) => state.key);
  const [following, setFollowing] = useState<Following>({ live: false, failure: null });
  const isHidden = useIsHidden();
  const handle = useEffectEvent(onEvent);
  useEffect(() => {
    if (path === null) return undefined;
    if (isHidden) {
      const looking = setInterval(() => handle(RESYNC), LOOK_WHILE_HIDDEN_MS);
      return () => clearInterval(looking);
    }
    const stop = new AbortController();
    const told = (event: ServerEvent) => handle(event);
    const opened = (live: boolean) => {
      setFollowing({ live, failure: null });
      if (live) handle(RESYNC);
    };
    followEvents(path, told, stop.signal, opened).then(
      () => setFollowing({ live: false, failure: null }),
      (failed: unknown) => {
        if (!stop.signal.aborted) setFollowing({ live: false, failure: asFailure(failed) });
      },
    );
    return () => stop.abort();
  }, [path, key, isHidden]);
  return following;
}

async function openStream(path: string, lastId: string | undefined, stop: AbortSignal, silence: Silence) {
  const signal = AbortSignal.any([stop, silence.signal]);
  const headers = new Headers({ Accept: 'text/event-stream' });
  if (lastId !== undefined) headers.set('Last-Event-ID', lastId);
  const request = new Request(new URL(path, window.location.origin), { headers, signal, cache: 'no-store' });
  const response = await guardedFetch(request);
  if (!response.ok || response.body === null) {
    throw failureOf(await response.json().catch(() => null), response);
  }
  return silence
    .over(response.body)
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream())
    .getReader();
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
