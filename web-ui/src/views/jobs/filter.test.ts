import { expect, test } from 'vitest';

import {
  filterOf,
  hasEnded,
  mayShow,
  notUnderstood,
  queryOf,
  readAsUtc,
  restUntil,
  searchOf,
  withError,
  withStatus,
} from './filter';

test('a filter comes out of the address as it went in', () => {
  const filter = {
    status: 'FAILED',
    plugin: 'ocr',
    error_code: 'plugin_timeout',
    period: 'day',
    q: '01a1',
    durable: 'true',
    since: '2026-01-31T12:00:00Z',
    until: '2026-02-01',
    batch: '01a213c4a28c73eba1ce8fab07958d6c',
  } as const;
  expect(filterOf(searchOf(filter))).toEqual(filter);
});

test('what an address cannot mean is left out', () => {
  expect(filterOf('?status=DONE&period=year&durable=maybe&q=%20&plugin=')).toEqual({});
});

test('a status and an error that exclude each other are not asked for together', () => {
  expect(withStatus({ plugin: 'ocr', error_code: 'plugin_failed' }, 'SUCCESS')).toEqual({
    plugin: 'ocr',
    status: 'SUCCESS',
  });
  expect(withStatus({ error_code: 'cancelled' }, 'CANCELLED')).toEqual({
    error_code: 'cancelled',
    status: 'CANCELLED',
  });
  expect(withStatus({ error_code: 'cancelled', status: 'FAILED' }, undefined)).toEqual({ error_code: 'cancelled' });
  expect(withError({ status: 'SUCCESS' }, 'plugin_failed')).toEqual({ error_code: 'plugin_failed' });
  expect(withError({ status: 'FAILED' }, 'plugin_failed')).toEqual({ status: 'FAILED', error_code: 'plugin_failed' });
  expect(withError({ status: 'FAILED', error_code: 'plugin_failed' }, null)).toEqual({ status: 'FAILED' });
});

test('what an address says and does not mean is told', () => {
  expect(
    notUnderstood('?status=bogus&batch=none&error_code=bad&since=never&colour=red&plugin=ocr&cursor=abc&q='),
  ).toEqual(['status=bogus', 'batch=none', 'error_code=bad', 'since=never', 'colour=red']);
  expect(notUnderstood('?since=2026-01-31&until=2026-01-31T12:00:00%2B02:00&toString=1')).toEqual(['toString=1']);
});

test('a moment without a zone is read as the server does', () => {
  expect(['2026-01-31', '2026-01-31 12:00', '2026-01-31T12:00:00', '2026-01-31T12:00+02:00'].map(readAsUtc)).toEqual([
    '2026-01-31',
    '2026-01-31T12:00Z',
    '2026-01-31T12:00:00Z',
    '2026-01-31T12:00+02:00',
  ]);
});

test('a page of the list stands in the address beside the filter', () => {
  expect(searchOf({ plugin: 'ocr' }, 'abc')).toBe('?plugin=ocr&cursor=abc');
  expect(searchOf({})).toBe('');
});

test('a period becomes a moment that stays the same within a minute', () => {
  const now = Date.parse('2026-01-31T12:00:30.500Z');
  expect(queryOf({ period: 'hour' }, now)).toEqual({ since: '2026-01-31T11:00:00.000Z' });
  expect(queryOf({ period: 'hour' }, now + 20_000)).toEqual({ since: '2026-01-31T11:00:00.000Z' });
  expect(queryOf({ period: 'hour', since: '2026-01-31' }, now).since).toBe('2026-01-31T11:00:00.000Z');
  expect(queryOf({ period: 'hour', since: '2026-01-31T11:30:00Z' }, now).since).toBe('2026-01-31T11:30:00Z');
  expect(queryOf({ durable: 'false', q: 'x' }, now)).toEqual({ durable: false, q: 'x' });
});

test('a job that was heard of is taken for the list only if it may belong there', () => {
  const job = { id: '01a1fab7', plugin: 'Ocr', status: 'RUNNING', batch: 'b1' };
  expect(mayShow(job, {})).toBe(true);
  expect(mayShow(job, { status: 'RUNNING', plugin: 'Ocr', q: '01a1', batch: 'b1' })).toBe(true);
  expect(mayShow(job, { q: 'oc' })).toBe(true);
  expect(mayShow(job, { q: 'OCR' })).toBe(true);
  expect(mayShow(job, { q: '01A1' })).toBe(true);
  expect(mayShow(job, { batch: 'b2' })).toBe(false);
  expect(mayShow(job, { status: 'FAILED' })).toBe(false);
  expect(mayShow(job, { plugin: 'faces' })).toBe(false);
  expect(mayShow(job, { q: 'fab7' })).toBe(false);
});

test('a job has ended when it can change no more', () => {
  expect(['PENDING', 'RUNNING', 'SUCCESS', 'FAILED', 'CANCELLED'].map((status) => hasEnded({ status }))).toEqual([
    false,
    false,
    true,
    true,
    true,
  ]);
});

test('a job rests until a moment only while it waits, and only if that is to come', () => {
  const later = '2026-01-31T12:00:00Z';
  const now = Date.parse(later) - 1;
  expect(restUntil({ status: 'PENDING', not_before: later }, now)).toBe(later);
  expect(restUntil({ status: 'PENDING', not_before: later }, now + 1)).toBeNull();
  expect(restUntil({ status: 'PENDING', not_before: null }, now)).toBeNull();
  expect(restUntil({ status: 'SUCCESS', not_before: later }, now)).toBeNull();
});
