import { drawMarks, drawPlain, inSight } from './draw';
import type { Look, Size, View } from './draw';
import type { Scene } from './scene';

/** How far the backdrop reaches beyond the screen on each side, as a share of the screen. */
const MARGIN = 0.5;
/** Beyond so many pixels it would take more memory than it saves time. */
const MOST_PIXELS = 24_000_000;

interface Drawn {
  scene: Scene;
  colourOf: Look['colourOf'];
  /** How the image lies on the backdrop. */
  view: View;
  /** The backdrop in CSS pixels. */
  size: Size;
  ratio: number;
}

/**
 * The plain findings, drawn once on a canvas somewhat larger than the screen. While the image is panned they are copied
 * from there, as many as they are; they are drawn anew when the screen leaves the backdrop, or for another scale.
 */
export class Backdrop {
  private canvas: HTMLCanvasElement | null = null;
  private drawn: Drawn | null = null;

  /** Draw all findings in sight, in CSS pixels; `ratio` is how many of the device's are in one. */
  draw(context: CanvasRenderingContext2D, scene: Scene, view: View, screen: Size, look: Look, ratio: number): void {
    if (screen.width <= 0 || screen.height <= 0 || scene.findings.length === 0) return;
    const kept = this.drawn;
    const isKept = kept !== null && kept.scene === scene && kept.colourOf === look.colourOf && kept.ratio === ratio;
    const held =
      isKept && placeOf(view, screen, kept) !== null ? kept : this.drawAnew(scene, view, screen, look, ratio);
    const place = held === null ? null : placeOf(view, screen, held);
    if (held === null || place === null || this.canvas === null) return;
    const snapped = { x: Math.round(place.x * ratio) / ratio, y: Math.round(place.y * ratio) / ratio };
    context.drawImage(this.canvas, snapped.x, snapped.y, held.size.width, held.size.height);
    drawMarks(context, scene.within(inSight(view, screen)), view, screen, look);
  }

  private drawAnew(scene: Scene, view: View, screen: Size, look: Look, ratio: number): Drawn | null {
    const margin = marginOf(screen, ratio);
    const size = { width: screen.width + 2 * margin.x, height: screen.height + 2 * margin.y };
    this.canvas ??= document.createElement('canvas');
    this.canvas.width = Math.ceil(size.width * ratio);
    this.canvas.height = Math.ceil(size.height * ratio);
    const context = this.canvas.getContext('2d');
    if (context === null) return null;
    // Whole device pixels, so that what is copied one to one stays as sharp as it was drawn.
    const whole = { width: this.canvas.width / ratio, height: this.canvas.height / ratio };
    const shifted = { scale: view.scale, x: view.x + margin.x, y: view.y + margin.y };
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    drawPlain(context, scene.within(inSight(shifted, whole)), shifted, look.colourOf);
    this.drawn = { scene, colourOf: look.colourOf, view: shifted, size: whole, ratio };
    return this.drawn;
  }
}

/** Return where the backdrop's corner lies on the screen, or null if it does not cover the screen at this view. */
export function placeOf(view: View, screen: Size, { view: of, size }: Pick<Drawn, 'view' | 'size'>) {
  if (view.scale !== of.scale) return null;
  const [x, y] = [view.x - of.x, view.y - of.y];
  const isCovered = x <= 0 && y <= 0 && x + size.width >= screen.width && y + size.height >= screen.height;
  return isCovered ? { x, y } : null;
}

/** Return the margin on each side: whole CSS pixels, none where the screen alone is large enough. */
function marginOf({ width, height }: Size, ratio: number) {
  const pixels = width * height * ratio * ratio * (1 + 2 * MARGIN) ** 2;
  const share = pixels > MOST_PIXELS ? 0 : MARGIN;
  return { x: Math.round(width * share), y: Math.round(height * share) };
}
