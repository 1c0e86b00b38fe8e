import type { Picture } from '../images/picture';
import { nameOf } from '../results/findings';
import type { Bounds, Finding, Point } from '../results/findings';
import type { PlacedFinding, Scene } from './scene';

/** How the image lies on the screen: screen = image × scale + (x, y), in CSS pixels. */
export interface View {
  scale: number;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface Look {
  colourOf: (finding: Finding) => string;
  hovered: string | null;
  selected: string | null;
}

/** Beyond this many in sight, names would cover each other and the image. */
const MOST_NAMES = 60;
/** Beyond this many in sight, the dark rims that keep lines visible on any ground are left out. */
const MOST_RIMS = 1_500;
const RIM = 'rgba(0, 0, 0, 0.55)';
const FONT_PX = 12;

/** Draw a picture so that what is in sight costs as much as the screen has pixels, however large the image is. */
export function drawPicture(context: CanvasRenderingContext2D, picture: Picture, view: View, screen: Size): void {
  const pixels = view.scale * window.devicePixelRatio;
  const level = picture.levels.findLast((candidate) => candidate.width >= picture.width * pixels) ?? picture.levels[0];
  if (level === undefined) return;
  const seen = clipped(inSight(view, screen), picture);
  if (seen.width <= 0 || seen.height <= 0) return;
  const [byX, byY] = [level.width / picture.width, level.height / picture.height];
  // Enlarged pixels are shown as they are.
  context.imageSmoothingEnabled = pixels < 3;
  context.drawImage(
    level,
    seen.x * byX,
    seen.y * byY,
    seen.width * byX,
    seen.height * byY,
    seen.x * view.scale + view.x,
    seen.y * view.scale + view.y,
    seen.width * view.scale,
    seen.height * view.scale,
  );
}

/** Draw findings. `zoom` is how much larger than on a screen lines and names are to be. */
export function drawFindings(
  context: CanvasRenderingContext2D,
  scene: Scene,
  view: View,
  screen: Size,
  look: Look,
  zoom = 1,
): void {
  const seen = scene.within(inSight(view, screen));
  const isMarked = ({ id }: Finding) => id === look.hovered || id === look.selected;
  drawPlain(
    context,
    seen.filter((finding) => !isMarked(finding)),
    view,
    look.colourOf,
    zoom,
  );
  drawMarks(context, seen, view, screen, look, zoom);
}

/** Draw findings as they look when nobody points at them, without names. */
export function drawPlain(
  context: CanvasRenderingContext2D,
  findings: readonly PlacedFinding[],
  view: View,
  colourOf: Look['colourOf'],
  zoom = 1,
): void {
  context.lineJoin = 'round';
  if (findings.length <= MOST_RIMS) strokeAll(context, findings, view, RIM, 4 * zoom);
  for (const [colour, group] of grouped(findings, colourOf)) strokeAll(context, group, view, colour, 2 * zoom);
  for (const finding of findings) drawKeypoints(context, finding, view, colourOf(finding), false, zoom);
}

/** Draw, over the plain ones in sight, the finding that is pointed at, the chosen one, and names if there is room. */
export function drawMarks(
  context: CanvasRenderingContext2D,
  seen: readonly PlacedFinding[],
  view: View,
  screen: Size,
  look: Look,
  zoom = 1,
): void {
  const isMarked = ({ id }: Finding) => id === look.hovered || id === look.selected;
  const marked = seen.filter(isMarked);
  context.lineJoin = 'round';
  for (const finding of marked) drawMarked(context, finding, view, look.colourOf(finding), zoom);
  for (const finding of marked) drawKeypoints(context, finding, view, look.colourOf(finding), true, zoom);
  const plain = seen.length <= MOST_NAMES ? seen.filter((finding) => !isMarked(finding)) : [];
  drawNames(context, [...marked, ...plain], view, screen, look, zoom);
}

/** Return the rectangle of the image that the screen shows. */
export function inSight(view: View, { width, height }: Size): Bounds {
  const { scale, x, y } = view;
  return { x: -x / scale, y: -y / scale, width: width / scale, height: height / scale };
}

function clipped(bounds: Bounds, { width, height }: Size): Bounds {
  const [x, y] = [Math.max(0, bounds.x), Math.max(0, bounds.y)];
  return {
    x,
    y,
    width: Math.min(width, bounds.x + bounds.width) - x,
    height: Math.min(height, bounds.y + bounds.height) - y,
  };
}

function grouped(findings: readonly PlacedFinding[], colourOf: Look['colourOf']): Map<string, PlacedFinding[]> {
  const groups = new Map<string, PlacedFinding[]>();
  for (const finding of findings) {
    const colour = colourOf(finding);
    const group = groups.get(colour);
    if (group === undefined) groups.set(colour, [finding]);
    else group.push(finding);
  }
  return groups;
}

function strokeAll(
  context: CanvasRenderingContext2D,
  findings: readonly PlacedFinding[],
  view: View,
  style: string,
  width: number,
): void {
  context.beginPath();
  for (const { outline } of findings) trace(context, outline, view);
  context.lineWidth = width;
  context.strokeStyle = style;
  context.stroke();
}

function drawMarked(
  context: CanvasRenderingContext2D,
  finding: PlacedFinding,
  view: View,
  colour: string,
  zoom: number,
): void {
  context.beginPath();
  trace(context, finding.outline, view);
  context.globalAlpha = 0.25;
  context.fillStyle = colour;
  context.fill();
  context.globalAlpha = 1;
  context.lineWidth = 6 * zoom;
  context.strokeStyle = 'rgba(0, 0, 0, 0.8)';
  context.stroke();
  context.lineWidth = 3.5 * zoom;
  context.strokeStyle = colour;
  context.stroke();
}

function trace(context: CanvasRenderingContext2D, outline: readonly Point[], { scale, x, y }: View): void {
  outline.forEach((point, at) => {
    if (at === 0) context.moveTo(point.x * scale + x, point.y * scale + y);
    else context.lineTo(point.x * scale + x, point.y * scale + y);
  });
  if (outline.length > 0) context.closePath();
}

function drawKeypoints(
  context: CanvasRenderingContext2D,
  finding: PlacedFinding,
  { scale, x, y }: View,
  colour: string,
  isMarked: boolean,
  zoom: number,
): void {
  if (finding.keypoints.length === 0) return;
  const radius = (isMarked ? 6 : 4) * zoom;
  context.beginPath();
  for (const point of finding.keypoints) {
    const [left, top] = [point.x * scale + x, point.y * scale + y];
    context.moveTo(left + radius, top);
    context.arc(left, top, radius, 0, 2 * Math.PI);
  }
  context.fillStyle = colour;
  context.fill();
  context.lineWidth = 1.5 * zoom;
  context.strokeStyle = 'rgba(0, 0, 0, 0.8)';
  context.stroke();
}

/** Write names, the first ones first; a name that would cover another one is left out. */
function drawNames(
  context: CanvasRenderingContext2D,
  findings: readonly PlacedFinding[],
  view: View,
  screen: Size,
  look: Look,
  zoom: number,
): void {
  const taken: Bounds[] = [];
  context.font = `600 ${FONT_PX * zoom}px system-ui, sans-serif`;
  context.textBaseline = 'middle';
  for (const finding of findings) {
    const score = finding.score === null ? '' : ` ${finding.score.toFixed(2)}`;
    const name = shortened(nameOf(finding), 40) + score;
    const height = (FONT_PX + 6) * zoom;
    const width = context.measureText(name).width + 8 * zoom;
    const place = placeOfName({ width, height }, finding.bounds, view, screen, 2 * zoom);
    if (taken.some((other) => overlap(place, other))) continue;
    taken.push(place);
    context.fillStyle = look.colourOf(finding);
    context.beginPath();
    context.roundRect(place.x, place.y, width, height, 3 * zoom);
    context.fill();
    context.fillStyle = '#111';
    context.fillText(name, place.x + 4 * zoom, place.y + height / 2);
  }
}

/** Return where a name stands: above its finding, within where there is no room above, and never cut by the right edge. */
export function placeOfName({ width, height }: Size, bounds: Bounds, view: View, screen: Size, gap: number): Bounds {
  const top = bounds.y * view.scale + view.y;
  const above = top - height - gap;
  const left = Math.min(bounds.x * view.scale + view.x, Math.max(0, screen.width - width));
  return { x: left, y: above >= 0 ? above : top + gap, width, height };
}

function overlap(one: Bounds, other: Bounds): boolean {
  return (
    one.x < other.x + other.width &&
    other.x < one.x + one.width &&
    one.y < other.y + other.height &&
    other.y < one.y + one.height
  );
}

function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
