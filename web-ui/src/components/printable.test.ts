import { expect, test } from 'vitest';

import { printable } from './printable';

test('what steers a terminal is not shown, what is written is', () => {
  expect(printable('\x1b[31mred\x1b[0m and \x1b[1;4mbold\x1b[m')).toBe('red and bold');
  expect(printable('\x1b]0;title\x07after, \x1b]8;;x\x1b\\link, \x9b2Jclean')).toBe('after, link, clean');
  expect(printable('bell\x07 null\x00 back\x08 delete\x7f next\x85 escape\x1b')).toBe(
    'bell null back delete next escape',
  );
  expect(printable('\x1b(Bone\ttwo\r\nthree\rfour')).toBe('one\ttwo\nthreefour');
  expect(printable('ñ é 文 🙂 [31m')).toBe('ñ é 文 🙂 [31m');
});
