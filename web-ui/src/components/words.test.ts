import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { CallFailed, pageFailure, PAGE_CODES } from '../api/failure';
import { SERVER_CODES, adviceOn } from './advice';
import { countWords } from './words';

test('counts agree with their nouns', () => {
  expect(countWords(1, 'image')).toBe('1 image');
  expect(countWords(1_500, 'image')).toBe('1,500 images');
});

function failureWith(code: string): CallFailed {
  const details = { code, retryable: false };
  return new CallFailed({ type: 'PluginError', message: 'said', details, plugin: null, timestamp: '' }, 400);
}

test('every code of the documented table is told in words, and none besides', () => {
  const table = readFileSync('../docs/reference/error-codes.md', 'utf8');
  const rows = table.slice(table.indexOf('<!-- table: error-codes -->'));
  const codes = [...rows.matchAll(/^\| `([a-z0-9_]+)` \|/gm)].map(([, code]) => code ?? '');
  expect(codes.length).toBeGreaterThan(30);
  expect([...SERVER_CODES]).toEqual(expect.arrayContaining(codes));
  for (const code of [...codes, ...PAGE_CODES]) expect(adviceOn(failureWith(code)).title).not.toBe('It did not work');
});

test('a code of a later server still gets its message shown', () => {
  expect(adviceOn(failureWith('made_up')).title).toBe('It did not work');
  expect(pageFailure('file_too_large', 'too large').code).toBe('file_too_large');
});
