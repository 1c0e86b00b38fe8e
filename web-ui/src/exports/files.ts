import { decode, release } from '../images/picture';
import type { Finding } from '../results/findings';
import { drawFindings } from '../viewer/draw';
import { Scene } from '../viewer/scene';

/** Hand a file to the browser to be saved. */
export function save(content: Blob, name: string): void {
  const address = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  // The browser has taken the content by then.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

/** Return a file's name without its ending. */
export function stem(name: string): string {
  return name.replace(/\.[^.]+$/, '') || name;
}

/** An image is of no use with lines of one pixel at 24 megapixels: they grow with it. */
const LINES_PER_SIDE = 1_200;

/** Draw findings onto the image in its full size, as PNG. Rejects with an Error that says why not. */
export async function annotated(
  file: Blob,
  findings: readonly Finding[],
  colourOf: (finding: Finding) => string,
): Promise<Blob> {
  const picture = await decode(file);
  if (typeof picture === 'string') throw new Error('The browser cannot show this image, so it cannot draw on it.');
  try {
    const { width, height } = picture;
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext('2d');
    const [whole] = picture.levels;
    if (context === null || whole === undefined) throw new Error(TOO_LARGE);
    context.drawImage(whole, 0, 0);
    const look = { colourOf, hovered: null, selected: null };
    const zoom = Math.max(1, Math.max(width, height) / LINES_PER_SIDE);
    drawFindings(context, new Scene(findings), { scale: 1, x: 0, y: 0 }, { width, height }, look, zoom);
    return await new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob === null ? reject(new Error(TOO_LARGE)) : resolve(blob)), 'image/png');
    });
  } finally {
    release(picture);
  }
}

const TOO_LARGE = 'The image is too large for the browser to draw on.';
