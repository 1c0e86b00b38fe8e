import { useEffect, useState } from 'react';

import { HEAD_BYTES, kindOf } from '../../images/kinds';

const SIDE_PX = 80;
const MOST_KEPT = 300;
/** Pictures above this are not decoded for a thumbnail: hundreds of them would take the machine. */
const MOST_BYTES = 40 * 1024 * 1024;

const kept = new Map<File, Promise<string | null>>();
let last: Promise<unknown> = Promise.resolve();

/** Return the address of a small picture of an image, or null while there is none. Made one at a time, when in sight. */
export function useThumbnail(file: File): string | null {
  const [made, setMade] = useState<{ file: File; address: string | null } | null>(null);
  useEffect(() => {
    let left = false;
    void thumbnail(file, () => left).then((address) => {
      if (!left) setMade({ file, address });
    });
    return () => {
      left = true;
    };
  }, [file]);
  return made?.file === file ? made.address : null;
}

function thumbnail(file: File, isLeft: () => boolean): Promise<string | null> {
  const known = kept.get(file);
  if (known !== undefined) return known;
  const made = last.then(async () => {
    if (isLeft()) {
      kept.delete(file);
      return null;
    }
    return draw(file).catch(() => null);
  });
  last = made;
  kept.set(file, made);
  forgetOldest();
  return made;
}

async function draw(file: File): Promise<string | null> {
  if (file.size > MOST_BYTES) return null;
  const kind = kindOf(new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer()));
  if (kind === null || kind === 'image/tiff') return null;
  const whole = await createImageBitmap(file);
  const scale = SIDE_PX / Math.min(whole.width, whole.height);
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = SIDE_PX;
  const context = canvas.getContext('2d');
  if (context === null) return null;
  context.imageSmoothingQuality = 'high';
  const [width, height] = [whole.width * scale, whole.height * scale];
  context.drawImage(whole, (SIDE_PX - width) / 2, (SIDE_PX - height) / 2, width, height);
  whole.close();
  const small = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.8));
  return small === null ? null : URL.createObjectURL(small);
}

function forgetOldest(): void {
  for (const [file, address] of kept) {
    if (kept.size <= MOST_KEPT) return;
    kept.delete(file);
    void address.then((made) => {
      if (made !== null) URL.revokeObjectURL(made);
    });
  }
}
