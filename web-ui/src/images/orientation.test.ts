import { expect, test } from 'vitest';

import { exifOrientation, isTurned, upright, webpOrientation } from './orientation';
import type { Orientation } from './orientation';

/** Where the stored image's first pixel (its top left) and the one to its right lie once it is upright: TIFF 6.0, "Orientation". */
const EXPECTED: [Orientation, [number, number], [number, number]][] = [
  [1, [0, 0], [1, 0]],
  [2, [3, 0], [2, 0]],
  [3, [3, 1], [2, 1]],
  [4, [0, 1], [1, 1]],
  [5, [0, 0], [0, 1]],
  [6, [1, 0], [1, 1]],
  [7, [1, 3], [1, 2]],
  [8, [0, 3], [0, 2]],
];

test.each(EXPECTED)('orientation %i turns a stored image of 4 by 2 pixels upright', (orientation, first, second) => {
  const [a, b, c, d, e, f] = upright(orientation, 4, 2);
  const centre = (x: number, y: number) => [
    a * (x + 0.5) + c * (y + 0.5) + e - 0.5,
    b * (x + 0.5) + d * (y + 0.5) + f - 0.5,
  ];
  expect(centre(0, 0)).toEqual(first);
  expect(centre(1, 0)).toEqual(second);
  expect(isTurned(orientation)).toBe(orientation > 4);
});

function exif(orientation: number, { little = true, prefix = false } = {}): Uint8Array {
  const block = new DataView(new ArrayBuffer(26));
  block.setUint16(0, little ? 0x4949 : 0x4d4d);
  block.setUint16(2, 42, little);
  block.setUint32(4, 8, little);
  block.setUint16(8, 1, little);
  block.setUint16(10, 0x0112, little);
  block.setUint16(12, 3, little);
  block.setUint32(14, 1, little);
  block.setUint16(18, orientation, little);
  const bytes = new Uint8Array(block.buffer);
  return prefix ? new Uint8Array([...new TextEncoder().encode('Exif\0\0'), ...bytes]) : bytes;
}

test.each([{}, { little: false }, { prefix: true }])('the orientation is read from an EXIF block: %j', (form) => {
  expect(exifOrientation(new DataView(exif(6, form).buffer))).toBe(6);
});

test('what is no orientation is upright, and nothing is read beyond the end', () => {
  expect(exifOrientation(new DataView(exif(99).buffer))).toBe(1);
  const whole = exif(6);
  for (let length = 0; length < 20; length += 1) {
    expect(exifOrientation(new DataView(whole.buffer, 0, length))).toBe(1);
  }
});

function webp(...chunks: [string, Uint8Array][]): DataView {
  const parts = chunks.flatMap(([name, content]) => {
    const size = new DataView(new ArrayBuffer(4));
    size.setUint32(0, content.length, true);
    const padding = content.length % 2 === 1 ? [0] : [];
    return [...new TextEncoder().encode(name), ...new Uint8Array(size.buffer), ...content, ...padding];
  });
  return new DataView(new Uint8Array([...new TextEncoder().encode('RIFF....WEBP'), ...parts]).buffer);
}

test('the mark in a WebP file is found behind other chunks of odd size', () => {
  const file = webp(['VP8X', new Uint8Array(10)], ['VP8 ', new Uint8Array(7)], ['EXIF', exif(8)]);
  const marked = webpOrientation(file);
  expect(marked?.orientation).toBe(8);
  expect(String.fromCharCode(...new Uint8Array(file.buffer, marked?.chunkAt, 4))).toBe('EXIF');
});

test('a WebP file without a mark, upright, or cut off has none', () => {
  expect(webpOrientation(webp(['VP8 ', new Uint8Array(8)]))).toBeNull();
  expect(webpOrientation(webp(['EXIF', exif(1)]))).toBeNull();
  expect(webpOrientation(new DataView(webp(['EXIF', exif(6)]).buffer, 0, 24))).toBeNull();
});
