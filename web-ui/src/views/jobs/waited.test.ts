import { expect, test } from 'vitest';

import { waitedMs } from './waited';

const created_at = '2026-01-31T12:00:00.000000+00:00';
const first = { created_at, started_at: created_at, waiting_ms: 5, attempt: 1 };

test('a job waits from its acceptance until it runs, not only for a worker', () => {
  expect(waitedMs({ ...first, started_at: '2026-01-31T12:00:13.400000+00:00' })).toBe(13_405);
});

test('a call that somebody waits for begins to wait for a worker at once', () => {
  expect(waitedMs({ ...first, attempt: 0 })).toBe(5);
});

test('what has not begun, or was tried before, has no such time', () => {
  expect(waitedMs({ ...first, started_at: null, waiting_ms: null })).toBeNull();
  expect(waitedMs({ ...first, attempt: 2 })).toBeNull();
});
