import Papa from 'papaparse';
import { expect, test } from 'vitest';

import { findingsOf } from '../results/findings';
import { area, toCoco } from './coco';
import { COLUMNS, toCsv } from './table';

const RESULT = {
  boxes: [{ type: 'box', x: 1.5, y: 2, width: 30, height: 40, label: 'face', score: 0.75 }],
  regions: [
    {
      type: 'text',
      text: 'a "b", c\nd',
      polygon: [
        { x: 0, y: 0 },
        { x: 8, y: 0 },
        { x: 8, y: 4 },
        { x: 0, y: 4 },
      ],
      score: 1,
    },
    {
      type: 'text',
      text: '=HYPERLINK("x")',
      polygon: [
        { x: -3, y: 1 },
        { x: 2, y: 1 },
        { x: 2, y: 3 },
      ],
    },
  ],
  pose: [
    {
      type: 'keypoints',
      label: 'person',
      points: [
        { x: 3, y: 4, name: 'nose' },
        { x: 5, y: 9, name: 'chin' },
      ],
    },
  ],
  classes: [{ type: 'label', label: 'cat', score: 0.5 }],
};
const IMAGE = { name: 'a, b.jpg', width: 640, height: 480, findings: findingsOf(RESULT, 'all') };

function readCsv(text: string): Record<string, string>[] {
  return Papa.parse<Record<string, string>>(text, { header: true }).data;
}

test('a spreadsheet reads back what was written, quotes and line breaks included', () => {
  const rows = readCsv(toCsv([IMAGE]));
  expect(rows).toHaveLength(5);
  expect(Object.keys(rows[0] ?? {})).toEqual([...COLUMNS]);
  expect(rows[0]).toMatchObject({
    image: 'a, b.jpg',
    kind: 'box',
    x: '1.5',
    y: '2',
    width: '30',
    height: '40',
    score: '0.75',
  });
  expect(rows[1]?.text).toBe('a "b", c\nd');
  expect(rows[3]).toMatchObject({ kind: 'keypoints', label: 'person', points: '3 4;5 9', path: '/pose/0' });
  expect(rows[4]).toMatchObject({ kind: 'label', label: 'cat', x: '' });
});

test('text from an image never becomes a formula, and negative numbers stay numbers', () => {
  const rows = readCsv(toCsv([IMAGE]));
  expect(rows[2]?.text).toBe('\'=HYPERLINK("x")');
  expect(rows[2]?.x).toBe('-3');
});

test('COCO holds every place, from which the findings can be made again', () => {
  const document = toCoco([{ ...IMAGE, name: 'first.jpg', findings: [] }, IMAGE]);
  expect(document.images.map(({ id, file_name }) => [id, file_name])).toEqual([
    [1, 'first.jpg'],
    [2, 'a, b.jpg'],
  ]);
  expect(document.images[1]?.labels).toEqual([{ label: 'cat', score: 0.5, plugin: 'all' }]);
  const placed = IMAGE.findings.filter(({ bounds }) => bounds !== null);
  expect(document.annotations).toHaveLength(placed.length);
  document.annotations.forEach((annotation, at) => {
    const finding = placed[at];
    const [x, y, width, height] = annotation.bbox;
    expect({ x, y, width, height }).toEqual(finding?.bounds);
    expect(annotation.image_id).toBe(2);
    expect(annotation.score ?? null).toBe(finding?.score ?? null);
    expect(annotation.segmentation.flat()).toEqual(finding?.outline.flatMap((point) => [point.x, point.y]));
    expect(annotation.attributes.text ?? null).toBe(finding?.text ?? null);
  });
  const named = Object.fromEntries(document.categories.map(({ id, name }) => [id, name]));
  expect(document.annotations.map(({ category_id }) => named[category_id])).toEqual(['face', 'text', 'text', 'person']);
  expect(document.categories.find(({ name }) => name === 'person')?.keypoints).toEqual(['nose', 'chin']);
  expect(document.annotations[3]).toMatchObject({ keypoints: [3, 4, 2, 5, 9, 2], num_keypoints: 2 });
});

test('the area of an outline does not depend on where it begins or which way it runs', () => {
  const outline = [
    { x: 0, y: 0 },
    { x: 4, y: 0 },
    { x: 4, y: 2 },
  ];
  expect(area(outline)).toBe(4);
  expect(area([...outline].reverse())).toBe(4);
});

test('an image that was not shown has the size of its findings', () => {
  const [image] = toCoco([{ ...IMAGE, width: null, height: null }]).images;
  expect([image?.width, image?.height]).toEqual([32, 42]);
});
