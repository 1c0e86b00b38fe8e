import { expect, test } from 'vitest';

import { said } from './said';

const details = { code: 'plugin_failed', retryable: false };

test('what a plugin raised is told with its kind where its message alone says nothing', () => {
  expect(said({ message: "'what'", details: { ...details, exception: 'KeyError' } })).toBe("KeyError: 'what'");
  expect(said({ message: '', details: { ...details, exception: 'ValueError' } })).toBe('ValueError');
});

test('the words of a plugin stand alone', () => {
  expect(said({ message: 'no page here', details: { ...details, exception: 'ValueError' } })).toBe('no page here');
});

test('what Sightgate itself says stands alone', () => {
  expect(said({ message: 'no seat was free', details })).toBe('no seat was free');
});
