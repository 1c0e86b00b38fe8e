/** Colours that differ for most eyes (after Paul Tol's bright scheme), light enough to stand on any photograph. */
const COLOURS = [
  '#ffb000',
  '#4cc9f0',
  '#ff5fa2',
  '#5ee08a',
  '#c792ff',
  '#ff7f50',
  '#e6e34c',
  '#8fb3ff',
  '#3fd6c0',
  '#f59fd0',
];

/** Return the colour of the n-th name; after the last it begins again. */
export function colour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? '#ffb000';
}

/** Return a colour for each name, in the order of their first coming. */
export function coloursOf(names: Iterable<string>): Map<string, string> {
  const colours = new Map<string, string>();
  for (const name of names) {
    if (!colours.has(name)) colours.set(name, colour(colours.size));
  }
  return colours;
}
