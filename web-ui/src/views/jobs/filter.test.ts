import { expect, test } from 'vitest';

import { filterOf, hasEnded, mayShow, queryOf, searchOf, withError, withStatus } from './filter';

test('a filter comes out of the address as it went in', () => {
  const filter = {
    status: 'FAILED',
    plugin: 'ocr',
    error_code: 'plugin_timeout',
    period: 'day',
    q: '01a1',
    durable: 'true',
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

test('a page of the list stands in the address beside the filter', () => {
  expect(searchOf({ plugin: 'ocr' }, 'abc')).toBe('?plugin=ocr&cursor=abc');
  expect(searchOf({})).toBe('');
});

test('a period becomes a moment that stays the same within a minute', () => {
  const now = Date.parse('2026-01-31T12:00:30.500Z');
  expect(queryOf({ period: 'hour' }, now)).toEqual({ since: '2026-01-31T11:00:00.000Z' });
  expect(queryOf({ period: 'hour' }, now + 20_000)).toEqual({ since: '2026-01-31T11:00:00.000Z' });
  expect(queryOf({ durable: 'false', q: 'x' }, now)).toEqual({ durable: false, q: 'x' });
});

test('a job that was heard of is taken for the list only if it may belong there', () => {
  const job = { id: '01a1fab7', plugin: 'ocr', status: 'RUNNING' };
  expect(mayShow(job, {})).toBe(true);
  expect(mayShow(job, { status: 'RUNNING', plugin: 'ocr', q: '01a1' })).toBe(true);
  expect(mayShow(job, { q: 'oc' })).toBe(true);
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
