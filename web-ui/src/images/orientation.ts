/**
 * The orientation (EXIF, 1 to 8) of WebP files. Browsers turn JPEG and PNG upright by it, but not all turn WebP, and no
 * browser says whether it did: so the page takes the mark out and turns the pixels itself.
 */

export type Orientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** A 2D transform as canvases take it: x' = a x + c y + e, y' = b x + d y + f. */
export type Transform = [a: number, b: number, c: number, d: number, e: number, f: number];

/** Return how stored pixels become upright ones; `width` and `height` are those of the stored image. */
export function upright(orientation: Orientation, width: number, height: number): Transform {
  switch (orientation) {
    case 2:
      return [-1, 0, 0, 1, width, 0];
    case 3:
      return [-1, 0, 0, -1, width, height];
    case 4:
      return [1, 0, 0, -1, 0, height];
    case 5:
      return [0, 1, 1, 0, 0, 0];
    case 6:
      return [0, 1, -1, 0, height, 0];
    case 7:
      return [0, -1, -1, 0, height, width];
    case 8:
      return [0, -1, 1, 0, 0, width];
    default:
      return [1, 0, 0, 1, 0, 0];
  }
}

/** Say whether the upright image has the stored one's width as its height. */
export function isTurned(orientation: Orientation): boolean {
  return orientation >= 5;
}

export interface Marked {
  orientation: Orientation;
  /** Where the name of the chunk with the mark begins. */
  chunkAt: number;
}

const MOST_CHUNKS = 64;

/** Return a WebP file's orientation, or null if it has none or says upright. */
export function webpOrientation(file: DataView): Marked | null {
  let at = 12;
  for (let seen = 0; seen < MOST_CHUNKS && at + 8 <= file.byteLength; seen += 1) {
    const size = file.getUint32(at + 4, true);
    if (fourCharacters(file, at) === 'EXIF') {
      const end = Math.min(at + 8 + size, file.byteLength);
      const orientation = exifOrientation(new DataView(file.buffer, file.byteOffset + at + 8, end - at - 8));
      return orientation === 1 ? null : { orientation, chunkAt: at };
    }
    at += 8 + size + (size % 2);
  }
  return null;
}

/** Return the orientation that an EXIF block tells, 1 if it cannot be read. */
export function exifOrientation(block: DataView): Orientation {
  // Some writers put JPEG's own prefix before the TIFF header.
  const base = block.byteLength >= 6 && fourCharacters(block, 0) === 'Exif' ? 6 : 0;
  if (block.byteLength < base + 8) return 1;
  const little = block.getUint16(base) === 0x4949;
  if (block.getUint16(base + 2, little) !== 42) return 1;
  const directory = base + block.getUint32(base + 4, little);
  if (directory + 2 > block.byteLength) return 1;
  const entries = block.getUint16(directory, little);
  for (let index = 0; index < entries; index += 1) {
    const entry = directory + 2 + index * 12;
    if (entry + 12 > block.byteLength) return 1;
    if (block.getUint16(entry, little) === 0x0112) return asOrientation(block.getUint16(entry + 8, little));
  }
  return 1;
}

function asOrientation(value: number): Orientation {
  return value >= 1 && value <= 8 ? (value as Orientation) : 1;
}

function fourCharacters(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}
