import { expect, test } from 'vitest';

import { said } from './said';

const details = { code: 'plugin_failed', retryable: false };

test('what a plugin raised is told with its kind, for its message may say nothing', () => {
  expect(said({ message: "'what'", details: { ...details, exception: 'KeyError' } })).toBe("KeyError: 'what'");
  expect(said({ message: '', details: { ...details, exception: 'ValueError' } })).toBe('ValueError');
});

test('what Sightgate itself says stands alone', () => {
  expect(said({ message: 'no seat was free', details })).toBe('no seat was free');
});
