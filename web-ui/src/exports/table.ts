import Papa from 'papaparse';

import type { Finding } from '../results/findings';

/** An image and what was found in it, to be written to a file. Sizes are of the upright image; null if not known. */
export interface Analyzed {
  name: string;
  width: number | null;
  height: number | null;
  findings: readonly Finding[];
}

export const COLUMNS = [
  'image',
  'plugin',
  'kind',
  'label',
  'text',
  'score',
  'x',
  'y',
  'width',
  'height',
  'points',
  'path',
  'beside',
] as const;

/** Return a row for each finding, positions in pixels. `points` is "x y;x y", `beside` is JSON. */
export function toCsv(images: readonly Analyzed[]): string {
  const rows = images.flatMap((image) => image.findings.map((finding) => row(image.name, finding)));
  // A spreadsheet runs a cell that begins as a formula; text from an image is a stranger's.
  return Papa.unparse(
    { fields: [...COLUMNS], data: rows },
    { escapeFormulae: /^[=+@\t\r]|^-(?![\d.])/, newline: '\r\n' },
  );
}

function row(image: string, finding: Finding): (string | number | null)[] {
  const { plugin, kind, label, text, score, bounds, path, beside } = finding;
  const points = [...finding.outline, ...finding.keypoints].map(({ x, y }) => `${x} ${y}`).join(';');
  const place = [bounds?.x ?? null, bounds?.y ?? null, bounds?.width ?? null, bounds?.height ?? null];
  const further = Object.keys(beside).length > 0 ? JSON.stringify(beside) : null;
  return [image, plugin, kind, label, text, score, ...place, points, path, further];
}
