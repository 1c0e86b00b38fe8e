import { HEAD_BYTES, kindOf } from './kinds';
import { isTurned, upright, webpOrientation } from './orientation';

/** An image as it can be drawn: upright pixels, as the plugins see them. */
export interface Picture {
  width: number;
  height: number;
  /** The whole image, and each half the size of the one before: drawing a large image small takes from a small one. */
  levels: (ImageBitmap | HTMLCanvasElement)[];
}

/** Why an image is not shown; it can be analyzed all the same. */
export type NotShown = 'tiff' | 'broken';

const LEAST_LEVEL_SIDE = 512;
const MOST_UNKNOWN_BYTES = 20 * 1024 * 1024;

/** Decode an image. Resolves with why it cannot be shown if the browser cannot. */
export async function decode(file: Blob): Promise<Picture | NotShown> {
  try {
    const kind = kindOf(new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer()));
    if (kind === 'image/tiff') return 'tiff';
    // It may be of a kind that the browser knows and the server does not; but it may be anything.
    if (kind === null && file.size > MOST_UNKNOWN_BYTES) return 'broken';
    const whole = kind === 'image/webp' ? await decodeWebp(file) : await createImageBitmap(file);
    return { width: whole.width, height: whole.height, levels: levelsOf(whole) };
  } catch {
    return 'broken';
  }
}

/** Free the memory of a picture. */
export function release(picture: Picture): void {
  for (const level of picture.levels) {
    if (level instanceof ImageBitmap) level.close();
    else level.width = level.height = 0;
  }
}

async function decodeWebp(file: Blob): Promise<ImageBitmap | HTMLCanvasElement> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const marked = webpOrientation(new DataView(bytes.buffer));
  if (marked === null) return createImageBitmap(file);
  // A chunk of a name that nobody knows is skipped.
  bytes.set([0x58, 0x58, 0x58, 0x58], marked.chunkAt);
  const stored = await createImageBitmap(new Blob([bytes], { type: 'image/webp' }));
  const { width, height } = stored;
  const turned = isTurned(marked.orientation);
  const [canvas, context] = blank(turned ? height : width, turned ? width : height);
  context.setTransform(...upright(marked.orientation, width, height));
  context.drawImage(stored, 0, 0);
  stored.close();
  return canvas;
}

function levelsOf(whole: ImageBitmap | HTMLCanvasElement): Picture['levels'] {
  const levels = [whole];
  for (let last = whole; Math.max(last.width, last.height) >= 2 * LEAST_LEVEL_SIDE;) {
    const [canvas, context] = blank(Math.max(1, Math.round(last.width / 2)), Math.max(1, Math.round(last.height / 2)));
    context.imageSmoothingQuality = 'high';
    context.drawImage(last, 0, 0, canvas.width, canvas.height);
    levels.push(canvas);
    last = canvas;
  }
  return levels;
}

function blank(width: number, height: number): [HTMLCanvasElement, CanvasRenderingContext2D] {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('the browser gives no canvas');
  return [canvas, context];
}
