/** What a result says in plain values, beside the parts that are drawn. */
export interface Value {
  /** Names from the root, such as "exposure › mean". */
  name: string;
  value: string;
}

const MOST_VALUES = 300;
const MOST_ITEMS = 12;
const MOST_CHARACTERS = 1_000;

/** Return the plain values of a result, bounded; parts that are drawn are left out. */
export function valuesOf(result: unknown): { values: Value[]; more: boolean } {
  const values: Value[] = [];
  let more = false;
  visit(result, []);
  return { values, more };

  function visit(value: unknown, names: readonly string[]): void {
    if (values.length >= MOST_VALUES) {
      more = true;
      return;
    }
    if (Array.isArray(value)) {
      visitList(value, names);
    } else if (typeof value === 'object' && value !== null) {
      if (isPart(value)) return;
      for (const [name, inner] of Object.entries(value)) visit(inner, [...names, name]);
    } else if (value !== null && names.length > 0) {
      values.push({ name: names.join(' › '), value: plain(value) });
    }
  }

  function visitList(items: readonly unknown[], names: readonly string[]): void {
    if (items.every((item) => typeof item !== 'object' || item === null)) {
      const shown = items.slice(0, MOST_ITEMS).map(plain).join(', ');
      const value = items.length > MOST_ITEMS ? `${shown}, … (${items.length})` : shown || '(none)';
      values.push({ name: names.join(' › '), value });
    } else {
      items.forEach((item, at) => visit(item, [...names, `${at + 1}`]));
    }
  }
}

function isPart(value: object): boolean {
  const { type } = value as { type?: unknown };
  return typeof type === 'string' && ['box', 'polygon', 'text', 'label', 'keypoints'].includes(type);
}

function plain(value: unknown): string {
  if (typeof value === 'number' && !Number.isInteger(value)) return `${Number(value.toPrecision(6))}`;
  const text = String(value);
  if (text.length <= MOST_CHARACTERS) return text;
  return `${text.slice(0, MOST_CHARACTERS)}… (${text.length.toLocaleString('en')} characters)`;
}
