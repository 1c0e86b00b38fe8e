import type { Envelope } from '../api/failure';
import { printable } from './printable';

/**
 * Return what an error says, as it can be shown. Where a plugin raised a word or nothing, as a KeyError has it, that is
 * told with its kind: alone it would say nothing.
 */
export function said({ message, details }: Pick<Envelope, 'message' | 'details'>): string {
  const { exception } = details;
  const isWords = /\S\s+\S/.test(message);
  if (isWords || typeof exception !== 'string') return printable(message);
  return printable(message === '' ? exception : `${exception}: ${message}`);
}
