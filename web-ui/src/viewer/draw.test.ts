import { expect, test } from 'vitest';

import { placeOfName } from './draw';

const screen = { width: 360, height: 400 };
const view = { scale: 1, x: 0, y: 0 };
const name = { width: 80, height: 18 };

test('a name stands above its finding, and within it where there is no room above', () => {
  expect(placeOfName(name, { x: 10, y: 100, width: 50, height: 50 }, view, screen, 2)).toMatchObject({ x: 10, y: 80 });
  expect(placeOfName(name, { x: 10, y: 5, width: 50, height: 50 }, view, screen, 2)).toMatchObject({ x: 10, y: 7 });
});

test('a name at the right edge is moved in, so that it can be read', () => {
  const place = placeOfName(name, { x: 330, y: 100, width: 30, height: 50 }, view, screen, 2);
  expect(place.x + place.width).toBe(screen.width);
});

test('a name that is wider than the screen begins at its left edge', () => {
  expect(placeOfName({ ...name, width: 500 }, { x: 30, y: 100, width: 9, height: 9 }, view, screen, 2).x).toBe(0);
});
