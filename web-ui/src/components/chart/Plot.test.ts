import uPlot from 'uplot';
import { expect, test } from 'vitest';

import { timesOfDay } from './Plot';

const NOON = new Date(2026, 0, 31, 12, 0, 0).getTime() / 1_000;

function named(...seconds: number[]): string[] {
  return timesOfDay(
    undefined as unknown as uPlot,
    seconds.map((second) => NOON + second),
  );
}

test('the times of an axis are told apart: with seconds where they stand within a minute', () => {
  expect(named(0, 30, 60)).toEqual(['12:00:00', '12:00:30', '12:01:00']);
  expect(named(0, 600, 1_200)).toEqual(['12:00', '12:10', '12:20']);
  expect(named(0)).toEqual(['12:00']);
});
