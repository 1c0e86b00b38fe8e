import type { Envelope } from '../api/failure';
import { printable } from './printable';

/**
 * Return what an error says, as it can be shown. What a plugin raised is told with its kind: alone, the message of a
 * KeyError is a word in quotes, and some have none.
 */
export function said({ message, details }: Pick<Envelope, 'message' | 'details'>): string {
  const { exception } = details;
  if (typeof exception !== 'string') return printable(message);
  return printable(message === '' ? exception : `${exception}: ${message}`);
}
