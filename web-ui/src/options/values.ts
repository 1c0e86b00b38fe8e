import { ALL_OPTIONS } from './fields';
import type { Field } from './fields';

export type Values = Record<string, unknown>;

/** Text that was typed where JSON belongs and is none yet. It is kept, so that nothing typed is lost. */
export class NotJson {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Return what a form begins with: the defaults, and something to begin with where there is none. */
export function startOf(fields: readonly Field[]): Values {
  return Object.fromEntries(fields.map((field) => [field.name, startValue(field)]));
}

export function startValue(field: Field): unknown {
  if (field.fallback !== undefined) return structuredClone(field.fallback);
  if (field.nullable) return null;
  switch (field.kind) {
    case 'switch':
      return false;
    case 'text':
      return '';
    case 'choice':
      return field.choices[0];
    case 'choices':
    case 'words':
    case 'list':
      return [];
    case 'tuple':
      return field.items.map(startValue);
    case 'group':
      return startOf(field.fields);
    // A number that is wanted and has no default is the person's to give.
    case 'number':
    case 'json':
      return undefined;
  }
}

/** Return the options to send: what differs from the defaults. What was left empty is left out. */
export function changedOptions(fields: readonly Field[], values: Values): Values {
  const changed: Values = {};
  for (const field of fields) {
    const value = values[field.name];
    if (field.name === ALL_OPTIONS && value !== undefined) return value as Values;
    if (value === undefined || (field.fallback !== undefined && same(value, field.fallback))) continue;
    changed[field.name] = value;
  }
  return changed;
}

export function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
