/** A plugin's options schema (JSON Schema 2020-12, as the SDK writes it) as the fields of a form. */

export type Schema = Record<string, unknown>;

interface Common {
  /** The field's name in its object, or null for the item of a list. */
  name: string;
  description: string | null;
  /** The schema of a value that is not null, references resolved, with `$defs` for those within. */
  schema: Schema;
  nullable: boolean;
  required: boolean;
  /** What holds if the field is left out; undefined if the schema does not say. */
  fallback: unknown;
}

export type Field = Common &
  (
    | { kind: 'switch' }
    | { kind: 'number'; integer: boolean; least: number | null; most: number | null }
    | { kind: 'text'; long: boolean }
    | { kind: 'choice'; choices: unknown[] }
    | { kind: 'choices'; choices: string[] }
    | { kind: 'words' }
    | { kind: 'list'; item: Field }
    | { kind: 'tuple'; items: Field[] }
    | { kind: 'group'; fields: Field[] }
    | { kind: 'json' }
  );

/** Forms within forms beyond this depth are written as JSON; types may be recursive. */
const DEEPEST = 4;

/** The name of the one field that stands for all options of a plugin that says nothing of them. */
export const ALL_OPTIONS = '';

/** Return the fields of a plugin's options, in the schema's order. Without a schema they are one field for JSON. */
export function fieldsOf(schema: Schema | null): Field[] {
  if (schema === null) return [FREE];
  const root = resolved(schema, schema);
  return propertiesOf(root, schema, 0);
}

const FREE: Field = {
  kind: 'json',
  name: ALL_OPTIONS,
  description: 'This plugin does not say which options it takes. They are sent as they stand here.',
  schema: { type: 'object' },
  nullable: false,
  required: false,
  fallback: undefined,
};

function propertiesOf(object: Schema, root: Schema, depth: number): Field[] {
  const required = Array.isArray(object.required) ? object.required : [];
  return Object.entries(asSchema(object.properties)).map(([name, property]) =>
    fieldOf(name, asSchema(property), root, required.includes(name), depth),
  );
}

function fieldOf(name: string, property: Schema, root: Schema, required: boolean, depth: number): Field {
  const { inner, nullable } = withoutNull(resolved(property, root), root);
  const description = textOf(property.description) ?? textOf(inner.description);
  const schema: Schema = root.$defs === undefined ? inner : { ...inner, $defs: root.$defs };
  const fallback = property.default ?? (nullable && property.default === null ? null : inner.default);
  return { name, description, schema, nullable, required, fallback, ...kindOf(inner, root, depth) };
}

type KindOf<T> = T extends Common ? Omit<T, keyof Common> : never;

function kindOf(schema: Schema, root: Schema, depth: number): KindOf<Field> {
  if (Array.isArray(schema.enum)) return { kind: 'choice', choices: schema.enum };
  if ('const' in schema) return { kind: 'choice', choices: [schema.const] };
  switch (schema.type) {
    case 'boolean':
      return { kind: 'switch' };
    case 'integer':
    case 'number':
      return { kind: 'number', integer: schema.type === 'integer', least: leastOf(schema), most: mostOf(schema) };
    case 'string':
      return { kind: 'text', long: typeof schema.maxLength === 'number' && schema.maxLength > 200 };
    case 'array':
      return listKind(schema, root, depth);
    case 'object':
      return schema.properties !== undefined && depth < DEEPEST
        ? { kind: 'group', fields: propertiesOf(schema, root, depth + 1) }
        : { kind: 'json' };
    default:
      return { kind: 'json' };
  }
}

function listKind(schema: Schema, root: Schema, depth: number): KindOf<Field> {
  if (depth >= DEEPEST) return { kind: 'json' };
  if (Array.isArray(schema.prefixItems) && schema.items === false) {
    const items = schema.prefixItems as unknown[];
    return {
      kind: 'tuple',
      items: items.map((item, at) => fieldOf(`${at + 1}`, asSchema(item), root, true, depth + 1)),
    };
  }
  if (schema.prefixItems !== undefined || !isSchema(schema.items)) return { kind: 'json' };
  const item = fieldOf('', schema.items, root, true, depth + 1);
  if (item.kind === 'choice' && !item.nullable && item.choices.every((choice) => typeof choice === 'string')) {
    return { kind: 'choices', choices: item.choices };
  }
  if (item.kind === 'text' && !item.nullable) return { kind: 'words' };
  return { kind: 'list', item };
}

/** Follow references, of which a few may stand in a row. */
function resolved(schema: Schema, root: Schema): Schema {
  let found = schema;
  for (let steps = 0; typeof found.$ref === 'string' && steps < 10; steps += 1) {
    const { $ref, ...beside } = found;
    const target = $ref
      .replace(/^#\/?/, '')
      .split('/')
      .filter((step) => step !== '')
      .reduce<unknown>((place, step) => asSchema(place)[step.replaceAll('~1', '/').replaceAll('~0', '~')], root);
    found = { ...asSchema(target), ...beside };
  }
  return found;
}

function withoutNull(schema: Schema, root: Schema): { inner: Schema; nullable: boolean } {
  const branches = Array.isArray(schema.anyOf) ? schema.anyOf.map((branch) => resolved(asSchema(branch), root)) : [];
  const others = branches.filter((branch) => branch.type !== 'null');
  const [only] = others;
  if (only === undefined || others.length > 1) return { inner: schema, nullable: false };
  const beside = Object.entries(schema).filter(([name]) => name !== 'anyOf' && name !== 'default');
  return { inner: { ...only, ...Object.fromEntries(beside) }, nullable: others.length < branches.length };
}

function leastOf(schema: Schema): number | null {
  return numberOf(schema.minimum) ?? numberOf(schema.exclusiveMinimum);
}

function mostOf(schema: Schema): number | null {
  return numberOf(schema.maximum) ?? numberOf(schema.exclusiveMaximum);
}

function asSchema(value: unknown): Schema {
  return isSchema(value) ? value : {};
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
