import { expect, test } from 'vitest';

import { ago, bytes, count, duration, figure, milliseconds } from './format';

test.each([
  [0, '0'],
  [0.0512, '0.05'],
  [3.14159, '3.14'],
  [42.75, '42.8'],
  [128.4, '128'],
  [12_400, '12,400'],
])('a figure of %d shows the digits that count', (value, said) => {
  expect(figure(value)).toBe(said);
});

test('counts are whole and grouped', () => {
  expect(count(1_234_567)).toBe('1,234,567');
});

test.each([
  [0.5, '0.5 ms'],
  [85.25, '85.3 ms'],
  [1_950, '1.95 s'],
  [65_000, '1 min 5 s'],
])('%d ms are told in the unit that fits', (ms, said) => {
  expect(milliseconds(ms)).toBe(said);
});

test.each([
  [0, '0 B'],
  [1_023, '1,023 B'],
  [1_536, '1.5 KiB'],
  [3_221_225_472, '3 GiB'],
])('%d bytes are told in the unit that fits', (size, said) => {
  expect(bytes(size)).toBe(said);
});

test.each([
  [0, '0 s'],
  [42, '42 s'],
  [185, '3 min 5 s'],
  [7_200, '2 h'],
  [7_800, '2 h 10 min'],
  [360_000, '4 d 4 h'],
])('%d seconds are told in two units', (seconds, said) => {
  expect(duration(seconds)).toBe(said);
});

test('a moment is told by how long ago it was', () => {
  const now = Date.parse('2026-01-31T12:00:00Z');
  expect(ago('2026-01-31T11:59:58Z', now)).toBe('just now');
  expect(ago('2026-01-31T11:59:20Z', now)).toBe('40 s ago');
  expect(ago('2026-01-31T11:15:00Z', now)).toBe('45 min ago');
  expect(ago('2026-01-31T02:00:00Z', now)).toBe('10 h ago');
  expect(ago('2026-01-01T12:00:00Z', now)).toBe('30 d ago');
});
