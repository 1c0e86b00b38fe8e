/**
 * The SDK's result parts within a plugin's result. All positions are pixels of the upright image, fractions allowed,
 * the origin at the top left corner.
 */

export interface Point {
  x: number;
  y: number;
}

export interface Keypoint extends Point {
  name: string | null;
  score: number | null;
}

export interface Bounds extends Point {
  width: number;
  height: number;
}

export type Kind = 'box' | 'polygon' | 'text' | 'label' | 'keypoints';
export type Scalar = string | number | boolean;

export interface Finding {
  /** Unique within an image's results. */
  id: string;
  plugin: string;
  /** JSON Pointer to the part in the result. */
  path: string;
  kind: Kind;
  /** The part's own word; null if it has none. */
  label: string | null;
  /** What stands there, if it is a text region. */
  text: string | null;
  score: number | null;
  /** The outline's corners, or none for keypoints and labels. */
  outline: Point[];
  keypoints: Keypoint[];
  /** The least upright rectangle around it; null for a label of the whole image. */
  bounds: Bounds | null;
  /** What the plugin says of it beside the part: further fields of the part, and those of the object that holds it. */
  beside: Record<string, Scalar>;
}

type Json = Record<string, unknown>;
type Drawn = Pick<Finding, 'kind' | 'label' | 'text' | 'outline' | 'keypoints' | 'bounds'>;

/** Return the parts of a result in the order in which they stand there. */
export function findingsOf(result: unknown, plugin: string): Finding[] {
  const found: Finding[] = [];
  walk(result, '', {}, true);
  return found;

  function walk(value: unknown, path: string, around: Record<string, Scalar>, isRoot: boolean): void {
    if (Array.isArray(value)) {
      value.forEach((item, index) => walk(item, `${path}/${index}`, around, false));
      return;
    }
    if (!isObject(value)) return;
    const drawn = drawnPart(value);
    const own = scalarsOf(value, drawn === null ? [] : PART_FIELDS);
    if (drawn !== null) {
      const beside = { ...around, ...own };
      found.push({ ...drawn, id: `${plugin}${path}`, plugin, path, score: numberOf(value.score), beside });
    }
    // What the result says as a whole is no property of each of its parts.
    const within = isRoot || drawn !== null ? {} : own;
    for (const [name, inner] of Object.entries(value)) {
      walk(inner, `${path}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, within, false);
    }
  }
}

/** Return what a finding is called, for lists and labels on the image. */
export function nameOf(finding: Finding): string {
  return finding.label ?? finding.text ?? KIND_NAMES[finding.kind];
}

/** Return what else is known of a finding, as one line. */
export function detailOf(finding: Finding): string {
  const beside = Object.entries(finding.beside).map(([name, value]) => `${name}: ${value}`);
  const text = finding.text !== null && finding.label !== null ? [finding.text] : [];
  const names = finding.keypoints.flatMap((point) => (point.name === null ? [] : [point.name]));
  return [...text, ...beside, ...(names.length > 0 ? [names.join(', ')] : [])].join(' · ');
}

export const KIND_NAMES: Record<Kind, string> = {
  box: 'box',
  polygon: 'outline',
  text: 'text',
  label: 'label',
  keypoints: 'points',
};

/** Say whether a finding is shown at a least confidence; what has no score is always shown. */
export function isSure(finding: Finding, leastScore: number): boolean {
  return finding.score === null || finding.score >= leastScore;
}

const PART_FIELDS = ['type', 'x', 'y', 'width', 'height', 'label', 'text', 'score'];

function drawnPart(part: Json): Drawn | null {
  const base = { label: textOf(part.label), text: null, outline: [], keypoints: [], bounds: null };
  switch (part.type) {
    case 'box':
      return isBox(part) ? { ...base, kind: 'box', outline: corners(part), bounds: bounding(corners(part)) } : null;
    case 'polygon':
      return isOutline(part.points)
        ? { ...base, kind: 'polygon', outline: part.points.map(bare), bounds: bounding(part.points) }
        : null;
    case 'text':
      return isOutline(part.polygon) && typeof part.text === 'string'
        ? { ...base, kind: 'text', text: part.text, outline: part.polygon.map(bare), bounds: bounding(part.polygon) }
        : null;
    case 'label':
      return base.label === null ? null : { ...base, kind: 'label' };
    case 'keypoints':
      return isOutline(part.points)
        ? { ...base, kind: 'keypoints', keypoints: part.points.map(keypoint), bounds: bounding(part.points) }
        : null;
    default:
      return null;
  }
}

function isBox(part: Json): part is Json & Bounds {
  return [part.x, part.y, part.width, part.height].every(Number.isFinite);
}

function isOutline(value: unknown): value is (Json & Point)[] {
  return Array.isArray(value) && value.length > 0 && value.every((point) => isObject(point) && isPoint(point));
}

function isPoint(point: Json): boolean {
  return Number.isFinite(point.x) && Number.isFinite(point.y);
}

function corners({ x, y, width, height }: Bounds): Point[] {
  return [
    { x, y },
    { x: x + width, y },
    { x: x + width, y: y + height },
    { x, y: y + height },
  ];
}

function bare({ x, y }: Point): Point {
  return { x, y };
}

function keypoint(point: Json & Point): Keypoint {
  return { x: point.x, y: point.y, name: textOf(point.name), score: numberOf(point.score) };
}

/** Return the least upright rectangle around points, of which there is at least one. */
export function bounding(points: readonly Point[]): Bounds {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const { x, y } of points) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x);
    bottom = Math.max(bottom, y);
  }
  return { x: left, y: top, width: right - left, height: bottom - top };
}

function scalarsOf(value: Json, without: readonly string[]): Record<string, Scalar> {
  const scalars: Record<string, Scalar> = {};
  for (const [name, inner] of Object.entries(value)) {
    if (!without.includes(name) && isScalar(inner)) scalars[name] = inner;
  }
  return scalars;
}

function isScalar(value: unknown): value is Scalar {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
