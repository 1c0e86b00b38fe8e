import { expect, test } from 'vitest';

import { kindOf, typeToSend } from './kinds';

test.each([
  ['image/jpeg', [0xff, 0xd8, 0xff, 0xe0]],
  ['image/png', [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ['image/gif', [0x47, 0x49, 0x46, 0x38, 0x39]],
  ['image/tiff', [0x4d, 0x4d, 0x00, 0x2a]],
  ['image/webp', [...new TextEncoder().encode('RIFF____WEBP')]],
])('%s is known by its first bytes', (kind, head) => {
  expect(kindOf(new Uint8Array(head))).toBe(kind);
});

test('a wrong ending does no harm: the bytes tell what is sent', async () => {
  const jpeg = new File([new Uint8Array([0xff, 0xd8, 0xff, 0xe0])], 'photo.png', { type: 'image/png' });
  expect(await typeToSend(jpeg)).toBe('image/jpeg');
});

test('a text named .png is sent as what its name says, so that the refusal is about the file', async () => {
  expect(await typeToSend(new File(['hello'], 'notes.png', { type: 'image/png' }))).toBe('image/png');
  expect(await typeToSend(new File(['hello'], 'notes'))).toBe('application/octet-stream');
});
