import type { Bounds } from '../results/findings';
import type { Size, View } from './draw';

const MARGIN_PX = 16;
export const MOST_SCALE = 40;

/** Return the view that shows the whole image, never enlarged beyond eightfold. */
export function fitting(image: Size, screen: Size): View {
  const room = { width: screen.width - 2 * MARGIN_PX, height: screen.height - 2 * MARGIN_PX };
  const scale = Math.max(1e-6, Math.min(room.width / image.width, room.height / image.height, 8));
  return centred({ x: 0, y: 0, ...image }, scale, screen);
}

/** Return a view that shows a place well, or null if this one does: it is in sight and large enough to be seen. */
export function showing(place: Bounds, view: View, screen: Size): View | null {
  const left = place.x * view.scale + view.x;
  const top = place.y * view.scale + view.y;
  const [width, height] = [place.width * view.scale, place.height * view.scale];
  const isInSight = left >= 0 && top >= 0 && left + width <= screen.width && top + height <= screen.height;
  const isSmall = Math.max(width, height) < 24;
  if (isInSight && !isSmall) return null;
  const long = Math.max(place.width, place.height, 1);
  const most = Math.min(
    (0.8 * screen.width) / Math.max(place.width, 1),
    (0.8 * screen.height) / Math.max(place.height, 1),
  );
  const scale = Math.min(Math.max(isSmall ? 80 / long : view.scale, 1e-6), most, MOST_SCALE);
  return centred(place, scale, screen);
}

function centred(place: Bounds, scale: number, screen: Size): View {
  return {
    scale,
    x: screen.width / 2 - (place.x + place.width / 2) * scale,
    y: screen.height / 2 - (place.y + place.height / 2) * scale,
  };
}
