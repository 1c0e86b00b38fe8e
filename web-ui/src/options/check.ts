import { Validator } from '@cfworker/json-schema';
import type { OutputUnit } from '@cfworker/json-schema';

import type { Field, Schema } from './fields';
import { NotJson } from './values';
import type { Values } from './values';

/** What is wrong, by the place of the field: its names joined by dots, as the server tells them. */
export type Faults = ReadonlyMap<string, string>;

/** Check options against their schema. The server is the judge; this says it at the field, before anything is sent. */
export function check(fields: readonly Field[], values: Values): Faults {
  const faults = new Map<string, string>();
  fields.forEach((field) => checkField(field, values[field.name], field.name, faults));
  return faults;
}

function checkField(field: Field, value: unknown, place: string, faults: Map<string, string>): void {
  if (value === undefined || (value === null && field.nullable)) {
    if (value === undefined && field.required) faults.set(place, 'This is needed.');
    return;
  }
  if (value instanceof NotJson) {
    faults.set(place, 'This is not JSON yet.');
    return;
  }
  const within = faults.size;
  innerFields(field, value).forEach(([inner, held, name]) => checkField(inner, held, `${place}.${name}`, faults));
  if (faults.size > within) return;
  const fault = firstFault(field.schema, value);
  if (fault !== null) faults.set(place, fault);
}

function innerFields(field: Field, value: unknown): [Field, unknown, string][] {
  if (field.kind === 'group') {
    const held = value as Values;
    return field.fields.map((inner) => [inner, held[inner.name], inner.name]);
  }
  if (!Array.isArray(value)) return [];
  if (field.kind === 'list') return value.map((item, at) => [field.item, item, `${at}`]);
  if (field.kind === 'tuple') return field.items.map((item, at) => [item, value[at], `${at}`]);
  return [];
}

function firstFault(schema: Schema, value: unknown): string | null {
  try {
    const { valid, errors } = new Validator(schema, '2020-12', false).validate(value);
    if (valid) return null;
    // The last is the innermost: those before it say only that something within does not fit.
    const fault = errors.at(-1);
    return fault === undefined ? 'This does not fit.' : words(fault, schema);
  } catch {
    // A pattern in Python's manner that is none in JavaScript's: the server will judge.
    return null;
  }
}

function words(fault: OutputUnit, schema: Schema): string {
  const limit = limitAt(schema, fault.keywordLocation);
  const said = wordsOf(fault, limit);
  const item = /^#\/(\d+)/.exec(fault.instanceLocation);
  return item === null ? said : `Number ${Number(item[1]) + 1}: ${said}`;
}

function wordsOf(fault: OutputUnit, limit: string): string {
  switch (fault.keyword) {
    case 'minimum':
      return `At least ${limit}.`;
    case 'maximum':
      return `At most ${limit}.`;
    case 'exclusiveMinimum':
      return `More than ${limit}.`;
    case 'exclusiveMaximum':
      return `Less than ${limit}.`;
    case 'minLength':
      return `At least ${limit} characters.`;
    case 'maxLength':
      return `At most ${limit} characters.`;
    case 'pattern':
      return `This must look like ${limit}.`;
    case 'minItems':
      return `At least ${limit} of them.`;
    case 'maxItems':
      return `At most ${limit} of them.`;
    case 'uniqueItems':
      return 'Each only once.';
    case 'type':
      return `This must be ${TYPE_NAMES[limit] ?? limit}.`;
    case 'enum':
    case 'const':
      return 'Choose one of those offered.';
    default:
      return fault.error;
  }
}

const TYPE_NAMES: Record<string, string> = {
  integer: 'a whole number',
  number: 'a number',
  string: 'text',
  array: 'a list',
  object: 'an object',
  boolean: 'true or false',
};

function limitAt(schema: Schema, location: string): string {
  const steps = location.split('/').slice(1);
  const limit = steps.reduce<unknown>((place, step) => (place as Schema | undefined)?.[step], schema);
  return typeof limit === 'number' || typeof limit === 'string' ? `${limit}` : '';
}
