import Flatbush from 'flatbush';

import type { Bounds, Finding, Point } from '../results/findings';

/** What is drawn over an image, with an index by place so that thousands of findings cost little. */
export class Scene {
  readonly findings: readonly Finding[];
  private readonly placed: readonly PlacedFinding[];
  private readonly index: Flatbush | null;

  constructor(findings: readonly Finding[]) {
    this.findings = findings;
    this.placed = findings.filter((finding): finding is PlacedFinding => finding.bounds !== null);
    this.index = this.placed.length === 0 ? null : indexOf(this.placed);
  }

  /** Return what lies within or reaches into a rectangle of the image, in the order in which it is drawn. */
  within({ x, y, width, height }: Bounds): PlacedFinding[] {
    const found = this.index?.search(x, y, x + width, y + height) ?? [];
    found.sort((one, other) => one - other);
    return found.flatMap((at) => this.placed[at] ?? []);
  }

  /** Return the finding at a place of the image: of several the smallest, which no other way of pointing reaches. */
  at(point: Point, tolerance: number): PlacedFinding | null {
    const { x, y } = point;
    const around = { x: x - tolerance, y: y - tolerance, width: 2 * tolerance, height: 2 * tolerance };
    const hit = this.within(around).filter((finding) => isHit(finding, point, tolerance));
    return hit.reduce<PlacedFinding | null>(
      (least, finding) => (least === null || extent(finding) < extent(least) ? finding : least),
      null,
    );
  }
}

export type PlacedFinding = Finding & { bounds: Bounds };

function indexOf(placed: readonly PlacedFinding[]): Flatbush {
  const index = new Flatbush(placed.length);
  for (const { bounds } of placed) index.add(bounds.x, bounds.y, bounds.x + bounds.width, bounds.y + bounds.height);
  index.finish();
  return index;
}

function extent({ bounds }: PlacedFinding): number {
  return bounds.width * bounds.height;
}

function isHit(finding: PlacedFinding, point: Point, tolerance: number): boolean {
  if (finding.kind === 'box') return true;
  if (finding.keypoints.some((key) => Math.hypot(key.x - point.x, key.y - point.y) <= 2 * tolerance)) return true;
  return isInside(point, finding.outline) || isNearEdge(point, finding.outline, tolerance);
}

/** Say whether a point is inside an outline: a ray from it crosses the edges an odd number of times. */
export function isInside({ x, y }: Point, outline: readonly Point[]): boolean {
  let inside = false;
  edges(outline).forEach(([from, to]) => {
    if (from.y > y !== to.y > y && x < ((to.x - from.x) * (y - from.y)) / (to.y - from.y) + from.x) inside = !inside;
  });
  return inside;
}

function isNearEdge(point: Point, outline: readonly Point[], tolerance: number): boolean {
  return edges(outline).some(([from, to]) => {
    const [dx, dy] = [to.x - from.x, to.y - from.y];
    const long = dx * dx + dy * dy;
    const along = long === 0 ? 0 : ((point.x - from.x) * dx + (point.y - from.y) * dy) / long;
    const held = Math.min(1, Math.max(0, along));
    return Math.hypot(from.x + held * dx - point.x, from.y + held * dy - point.y) <= tolerance;
  });
}

function edges(outline: readonly Point[]): [Point, Point][] {
  return outline.map((from, at) => [from, outline[(at + 1) % outline.length] ?? from]);
}
