import { HttpResponse, http } from 'msw';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { api } from '../test/shown';
import { followEvents } from './events';
import { SILENCE_MS } from './silence';

const server = api();
const PATH = '/v1/jobs/events';
const HALF_MS = SILENCE_MS / 2;

/** As long as a busy machine may take. */
const until = (holds: () => boolean) => vi.waitUntil(holds, { timeout: 20_000 });

/** The streams that were opened, each of which the test speaks on. */
function opening() {
  const encoder = new TextEncoder();
  const streams: { after: string | null; say: (text: string) => void }[] = [];
  server.use(
    http.get(PATH, ({ request }) => {
      let sink: ReadableStreamDefaultController<Uint8Array> | undefined;
      const body = new ReadableStream<Uint8Array>({ start: (controller) => void (sink = controller) });
      streams.push({
        after: request.headers.get('Last-Event-ID'),
        say: (text) => sink?.enqueue(encoder.encode(text)),
      });
      return new HttpResponse(body, { headers: { 'Content-Type': 'text/event-stream' } });
    }),
  );
  return streams;
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

test('a stream that brings nothing for too long is given up and taken up again after the last event', async () => {
  const streams = opening();
  const stop = new AbortController();
  const seen: unknown[] = [];
  const live: boolean[] = [];
  const following = followEvents(
    PATH,
    ({ data }) => seen.push(data),
    stop.signal,
    (open) => live.push(open),
  );
  await until(() => live.length === 1);
  streams[0]?.say('id: 7\nevent: job\ndata: 1\n\n');
  await until(() => seen.length === 1);
  await vi.advanceTimersByTimeAsync(SILENCE_MS);
  await until(() => live.length === 2);
  await vi.advanceTimersByTimeAsync(1_000);
  await until(() => live.length === 3);
  expect(live).toEqual([true, false, true]);
  expect(streams[1]?.after).toBe('7');
  streams[1]?.say('event: end\ndata: 2\n\n');
  await following;
  expect(seen).toEqual([1, 2]);
});

test('a comment is enough to keep a stream', async () => {
  const streams = opening();
  const seen: unknown[] = [];
  const live: boolean[] = [];
  const { signal } = new AbortController();
  const following = followEvents(
    PATH,
    ({ data }) => seen.push(data),
    signal,
    (open) => live.push(open),
  );
  await until(() => live.length === 1);
  for (let at = 0; at < 4; at += 1) {
    await vi.advanceTimersByTimeAsync(HALF_MS);
    streams[0]?.say(': keep-alive\n\n');
    // What was said has to come through before the clock goes on.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await vi.advanceTimersByTimeAsync(HALF_MS);
  streams[0]?.say('event: end\ndata: 1\n\n');
  await following;
  expect(seen).toEqual([1]);
  expect(live).toEqual([true]);
});
