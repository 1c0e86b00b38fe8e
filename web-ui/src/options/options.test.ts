import { expect, test } from 'vitest';

import { check } from './check';
import { fieldsOf } from './fields';
import { NotJson, changedOptions, startOf } from './values';

/** As the SDK writes it (sdk/src/sightgate/schema.py). */
const SCHEMA = {
  type: 'object',
  properties: {
    min_score: { type: 'number', minimum: 0, maximum: 1, description: 'How sure.', default: 0.5 },
    most: { type: 'integer', exclusiveMinimum: 0, maximum: 10 },
    tag: { type: 'string', maxLength: 3, pattern: '^[a-z]*$', default: '' },
    rotate: { type: 'boolean', default: true },
    mode: { type: 'string', enum: ['fast', 'exact'], default: 'fast' },
    sizes: { type: 'integer', enum: [4, 8], default: 8 },
    reference: { anyOf: [{ type: 'string' }, { type: 'null' }], default: null },
    formats: { type: 'array', items: { type: 'string', maxLength: 4 }, maxItems: 2, default: [] },
    kinds: { type: 'array', items: { type: 'string', enum: ['a', 'b'] }, uniqueItems: true, default: [] },
    areas: { type: 'array', items: { $ref: '#/$defs/Area' }, default: [] },
    range: {
      type: 'array',
      prefixItems: [{ type: 'number' }, { type: 'number' }],
      items: false,
      minItems: 2,
      maxItems: 2,
      default: [0, 1],
    },
    inner: { $ref: '#/$defs/Inner', description: 'More.', default: { depth: 2 } },
    maybe: { anyOf: [{ $ref: '#/$defs/Inner' }, { type: 'null' }], default: null },
    either: { anyOf: [{ type: 'string' }, { type: 'integer' }], default: 'x' },
    map: { type: 'object', additionalProperties: { type: 'number' }, default: {} },
    tree: { $ref: '#/$defs/Tree', default: { children: [] } },
  },
  required: ['most'],
  additionalProperties: false,
  $defs: {
    Area: { type: 'object', properties: { name: { type: 'string', minLength: 1 } }, required: ['name'] },
    Inner: { type: 'object', properties: { depth: { type: 'integer', minimum: 1, default: 2 } } },
    Tree: { type: 'object', properties: { children: { type: 'array', items: { $ref: '#/$defs/Tree' } } } },
  },
};
const FIELDS = fieldsOf(SCHEMA);
const GOOD = { ...startOf(FIELDS), most: 3 };

test('each kind of schema has its kind of field', () => {
  expect(Object.fromEntries(FIELDS.map(({ name, kind }) => [name, kind]))).toEqual({
    min_score: 'number',
    most: 'number',
    tag: 'text',
    rotate: 'switch',
    mode: 'choice',
    sizes: 'choice',
    reference: 'text',
    formats: 'words',
    kinds: 'choices',
    areas: 'list',
    range: 'tuple',
    inner: 'group',
    maybe: 'group',
    either: 'json',
    map: 'json',
    tree: 'group',
  });
  expect(FIELDS.filter(({ nullable }) => nullable).map(({ name }) => name)).toEqual(['reference', 'maybe']);
});

test('options without a schema are written as JSON, and sent as they are', () => {
  const fields = fieldsOf(null);
  expect(fields.map(({ kind }) => kind)).toEqual(['json']);
  expect(changedOptions(fields, startOf(fields))).toEqual({});
  expect(changedOptions(fields, { '': { seconds: 3 } })).toEqual({ seconds: 3 });
  expect(check(fields, { '': [1] })).toEqual(new Map([['', 'This must be an object.']]));
});

test('a recursive schema has an end', () => {
  let depth = 0;
  for (let fields = fieldsOf(SCHEMA).slice(-1); fields[0]?.kind === 'group' || fields[0]?.kind === 'list'; depth += 1) {
    const [field] = fields;
    fields = field.kind === 'group' ? field.fields : [field.item];
  }
  expect(depth).toBeLessThan(10);
});

test('a form begins with the defaults, and sends only what differs from them', () => {
  expect(GOOD).toMatchObject({ min_score: 0.5, rotate: true, reference: null, range: [0, 1], inner: { depth: 2 } });
  expect(check(FIELDS, GOOD)).toEqual(new Map());
  expect(changedOptions(FIELDS, GOOD)).toEqual({ most: 3 });
  expect(changedOptions(FIELDS, { ...GOOD, rotate: false, reference: 'ab' })).toEqual({
    most: 3,
    rotate: false,
    reference: 'ab',
  });
});

test.each([
  ['min_score', 1.5, 'min_score', 'At most 1.'],
  ['min_score', -1, 'min_score', 'At least 0.'],
  ['min_score', 'abc', 'min_score', 'This must be a number.'],
  ['most', 0, 'most', 'More than 0.'],
  ['most', 2.5, 'most', 'This must be a whole number.'],
  ['most', undefined, 'most', 'This is needed.'],
  ['tag', 'abcd', 'tag', 'At most 3 characters.'],
  ['tag', 'A', 'tag', 'This must look like ^[a-z]*$.'],
  ['mode', 'slow', 'mode', 'Choose one of those offered.'],
  ['formats', ['a', 'b', 'c'], 'formats', 'At most 2 of them.'],
  ['formats', ['a', 'abcde'], 'formats', 'Number 2: At most 4 characters.'],
  ['areas', [{ name: 'x' }, { name: '' }], 'areas.1.name', 'At least 1 characters.'],
  ['inner', { depth: 0 }, 'inner.depth', 'At least 1.'],
  ['maybe', { depth: 0 }, 'maybe.depth', 'At least 1.'],
  ['map', new NotJson('{'), 'map', 'This is not JSON yet.'],
  ['map', { a: 'b' }, 'map', 'This must be a number.'],
])('%s = %j is told at its field', (name, value, place, words) => {
  expect(check(FIELDS, { ...GOOD, [name]: value })).toEqual(new Map([[place, words]]));
});

test('a pattern that is none in JavaScript is left to the server', () => {
  const fields = fieldsOf({ properties: { a: { type: 'string', pattern: '(?P<x>a)' } } });
  expect(check(fields, { a: 'b' })).toEqual(new Map());
});
