import { expect, test } from 'vitest';

import { valuesOf } from './values';

test('plain values are told by their names from the root; drawn parts are left out', () => {
  const result = {
    exposure: { mean: 0.879194840175, dark: false },
    issues: ['bright', 'flat'],
    none: [],
    missing: null,
    codes: [{ text: 'hello', place: { type: 'box', x: 1, y: 1, width: 1, height: 1 } }],
  };
  expect(valuesOf(result).values).toEqual([
    { name: 'exposure › mean', value: '0.879195' },
    { name: 'exposure › dark', value: 'false' },
    { name: 'issues', value: 'bright, flat' },
    { name: 'none', value: '(none)' },
    { name: 'codes › 1 › text', value: 'hello' },
  ]);
});

test('a huge result is cut, and says so', () => {
  const { values, more } = valuesOf({ rows: Array.from({ length: 5_000 }, (_, at) => ({ at })) });
  expect(values).toHaveLength(300);
  expect(more).toBe(true);
});

test('a huge text is cut, and says how long it is', () => {
  const [only] = valuesOf({ text: 'x'.repeat(1_500_000) }).values;
  expect(only?.value).toMatch(/^x{1000}… \(1,500,000 characters\)$/);
});
