import { expect, test } from 'vitest';

import { findingsOf } from '../results/findings';
import { Scene, isInside } from './scene';
import { fitting, showing } from './views';

const box = (x: number, y: number, width: number, height: number, label: string) => ({
  type: 'box',
  x,
  y,
  width,
  height,
  label,
});

test('of boxes one in another the smallest is pointed at', () => {
  const scene = new Scene(findingsOf([box(0, 0, 100, 100, 'outer'), box(40, 40, 10, 10, 'inner')], 'p'));
  expect(scene.at({ x: 45, y: 45 }, 1)?.label).toBe('inner');
  expect(scene.at({ x: 20, y: 20 }, 1)?.label).toBe('outer');
  expect(scene.at({ x: 200, y: 20 }, 1)).toBeNull();
});

test('an outline is hit inside and near its edge, not everywhere in its bounds', () => {
  const points = [
    { x: 0, y: 0 },
    { x: 100, y: 0 },
    { x: 0, y: 100 },
  ];
  const scene = new Scene(findingsOf({ type: 'polygon', points }, 'p'));
  expect(scene.at({ x: 10, y: 10 }, 2)).not.toBeNull();
  expect(scene.at({ x: 51, y: 51 }, 2)).not.toBeNull();
  expect(scene.at({ x: 90, y: 90 }, 2)).toBeNull();
  expect(isInside({ x: 10, y: 10 }, points)).toBe(true);
});

test('keypoints are hit at a point of them', () => {
  const scene = new Scene(
    findingsOf(
      {
        type: 'keypoints',
        points: [
          { x: 0, y: 0 },
          { x: 100, y: 100 },
        ],
      },
      'p',
    ),
  );
  expect(scene.at({ x: 101, y: 99 }, 2)).not.toBeNull();
  expect(scene.at({ x: 50, y: 50 }, 2)).toBeNull();
});

test('a scene gives what is in sight in the order of the result; one without places gives nothing', () => {
  const many = Array.from({ length: 2_000 }, (_, at) => box((at % 50) * 10, Math.floor(at / 50) * 10, 8, 8, `${at}`));
  const scene = new Scene(findingsOf(many, 'p'));
  expect(scene.within({ x: 0, y: 0, width: 25, height: 5 }).map(({ label }) => label)).toEqual(['0', '1', '2']);
  expect(
    new Scene(findingsOf({ type: 'label', label: 'cat' }, 'p')).within({ x: 0, y: 0, width: 9, height: 9 }),
  ).toEqual([]);
});

test('the first view holds the whole image, in the middle', () => {
  const screen = { width: 832, height: 632 };
  const view = fitting({ width: 8_000, height: 3_000 }, screen);
  expect(view.scale).toBeCloseTo(0.1);
  expect(view.x + 4_000 * view.scale).toBeCloseTo(416);
  expect(view.y + 1_500 * view.scale).toBeCloseTo(316);
});

test('a place that is out of sight, or too small to be seen, is brought into view', () => {
  const screen = { width: 800, height: 600 };
  const place = { x: 1_000, y: 1_000, width: 100, height: 50 };
  expect(showing(place, { scale: 1, x: -900, y: -900 }, screen)).toBeNull();
  const moved = showing(place, { scale: 1, x: 0, y: 0 }, screen);
  expect(moved?.scale).toBe(1);
  expect((moved?.x ?? 0) + 1_050).toBeCloseTo(400);
  const enlarged = showing(place, { scale: 0.05, x: 0, y: 0 }, screen);
  expect(100 * (enlarged?.scale ?? 0)).toBeCloseTo(80);
});
