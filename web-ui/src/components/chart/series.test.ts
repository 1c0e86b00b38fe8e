import { expect, test } from 'vitest';

import { inWords, rowsOf, spreadOf } from './series';
import type { Series } from './series';

const calls: Series = { name: 'calls', values: [1, 4, null, 2], color: 'cyan' };
const none: Series = { name: 'errors', values: [null, null, null, null], color: 'red' };
const times = [100, 110, 120, 130];
const plain = (value: number) => String(value);

test('a chart is told in words: what is now, and between what it was', () => {
  expect(inWords('Calls a second', times, [calls, none], plain)).toBe(
    'Calls a second, last 30 s. calls: now 2, between 1 and 4; errors: none.',
  );
});

test('a value that is missing now is said to be', () => {
  const stopped: Series = { ...calls, values: [1, 4, 3, null] };
  expect(inWords('Time', times, [stopped], plain)).toContain('none now, between 1 and 4');
});

test('a chart without figures says so', () => {
  expect(inWords('Memory', [], [calls], plain)).toBe('Memory: no figures yet.');
  expect(spreadOf([])).toBeNull();
});

test('its table holds means, newest first, in no more rows than are wanted', () => {
  expect(rowsOf(times, [calls, none], 2)).toEqual([
    { time: 130, values: [2, null] },
    { time: 110, values: [2.5, null] },
  ]);
});

test('rows that do not come out even leave the oldest short', () => {
  const odd: Series = { name: 'workers', values: [9, 1, 3, 5, 7], color: 'cyan' };
  expect(rowsOf([1, 2, 3, 4, 5], [odd], 3)).toEqual([
    { time: 5, values: [6] },
    { time: 3, values: [2] },
    { time: 1, values: [9] },
  ]);
});
