/** An image's type by its first bytes, as the server reads it (server/app/governance/image_header.py). */

export const HEAD_BYTES = 16;

const MAGICS: readonly [string, number, readonly number[]][] = [
  ['image/jpeg', 0, [0xff, 0xd8, 0xff]],
  ['image/png', 0, [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ['image/gif', 0, [0x47, 0x49, 0x46, 0x38]],
  ['image/bmp', 0, [0x42, 0x4d]],
  ['image/tiff', 0, [0x49, 0x49, 0x2a, 0x00]],
  ['image/tiff', 0, [0x49, 0x49, 0x2b, 0x00]],
  ['image/tiff', 0, [0x4d, 0x4d, 0x00, 0x2a]],
  ['image/tiff', 0, [0x4d, 0x4d, 0x00, 0x2b]],
  ['image/webp', 8, [0x57, 0x45, 0x42, 0x50]],
];

/** Return the type that the first bytes tell, or null if they begin no image that Sightgate takes. */
export function kindOf(head: Uint8Array): string | null {
  const found = MAGICS.find(([, offset, magic]) => magic.every((byte, index) => head[offset + index] === byte));
  return found?.[0] ?? null;
}

/**
 * Return the type to send a file with: that of its bytes, so that a wrong ending does no harm. What begins as no image
 * is sent as what its name says, so that the server's refusal is about the file and not about an unknown type.
 * Rejects with the browser's error if the file cannot be read.
 */
export async function typeToSend(file: Blob): Promise<string> {
  const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  return kindOf(head) ?? (file.type || 'application/octet-stream');
}
