import { expect, test } from 'vitest';

import { detailOf, findingsOf, isSure, nameOf } from './findings';

const BOX = { type: 'box', x: 10, y: 20, width: 30, height: 40, label: 'face', score: 0.9 };

test('every kind of part is found, wherever it stands in the result', () => {
  const result = {
    boxes: [BOX],
    deep: {
      deeper: [
        {
          outline: {
            type: 'polygon',
            points: [
              { x: 0, y: 0 },
              { x: 4, y: 0 },
              { x: 4, y: 2 },
            ],
          },
        },
      ],
    },
    regions: [
      {
        type: 'text',
        text: 'Total',
        polygon: [
          { x: 1, y: 1 },
          { x: 9, y: 1 },
          { x: 9, y: 5 },
          { x: 1, y: 5 },
        ],
      },
    ],
    classes: [{ type: 'label', label: 'cat', score: 0.5 }],
    pose: {
      type: 'keypoints',
      points: [
        { x: 3, y: 4, name: 'nose', score: 0.1 },
        { x: 5, y: 9 },
      ],
    },
  };
  const found = findingsOf(result, 'p');
  expect(found.map(({ kind, path }) => [kind, path])).toEqual([
    ['box', '/boxes/0'],
    ['polygon', '/deep/deeper/0/outline'],
    ['text', '/regions/0'],
    ['label', '/classes/0'],
    ['keypoints', '/pose'],
  ]);
  expect(found[0]?.outline).toEqual([
    { x: 10, y: 20 },
    { x: 40, y: 20 },
    { x: 40, y: 60 },
    { x: 10, y: 60 },
  ]);
  expect(found[2]?.bounds).toEqual({ x: 1, y: 1, width: 8, height: 4 });
  expect(found[3]?.bounds).toBeNull();
  expect(found[4]?.keypoints).toEqual([
    { x: 3, y: 4, name: 'nose', score: 0.1 },
    { x: 5, y: 9, name: null, score: null },
  ]);
  expect(found[4]?.bounds).toEqual({ x: 3, y: 4, width: 2, height: 5 });
});

test('the result itself may be a part, and a part may hold others', () => {
  const found = findingsOf({ ...BOX, eyes: { type: 'keypoints', points: [{ x: 1, y: 1 }] } }, 'p');
  expect(found.map(({ path }) => path)).toEqual(['', '/eyes']);
});

test.each([
  { type: 'box', x: 1, y: 2, width: 'wide', height: 4 },
  { type: 'box', x: 1, y: 2, width: 3 },
  { type: 'polygon', points: [] },
  { type: 'polygon', points: [{ x: 1 }] },
  { type: 'text', polygon: [{ x: 1, y: 1 }] },
  { type: 'label' },
  { type: 'circle', x: 1, y: 2 },
  null,
  'box',
])('what only looks like a part is none: %j', (value) => {
  expect(findingsOf({ value }, 'p')).toEqual([]);
});

test('what stands beside a part is told with it; what the whole result says is not', () => {
  const result = {
    text: 'all of it',
    codes: [{ format: 'QRCode', valid: true, error: null, place: { ...BOX, id: 'a1' } }],
  };
  const [code] = findingsOf(result, 'barcodes');
  expect(code?.beside).toEqual({ format: 'QRCode', valid: true, id: 'a1' });
  expect(code && detailOf(code)).toBe('format: QRCode · valid: true · id: a1');
  expect(code && nameOf(code)).toBe('face');
});

test('names in a path are escaped, so that each finding has an id of its own', () => {
  const found = findingsOf({ 'a/b': BOX, a: { b: BOX }, 'a~1b': BOX }, 'p');
  expect(found.map(({ path }) => path)).toEqual(['/a~1b', '/a/b', '/a~01b']);
  expect(new Set(found.map(({ id }) => id)).size).toBe(3);
});

test('what has no score passes every filter', () => {
  const [scored] = findingsOf(BOX, 'p');
  const [unscored] = findingsOf({ ...BOX, score: undefined }, 'p');
  expect(scored && isSure(scored, 0.9)).toBe(true);
  expect(scored && isSure(scored, 0.91)).toBe(false);
  expect(unscored && isSure(unscored, 1)).toBe(true);
});
