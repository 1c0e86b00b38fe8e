import { select } from 'd3-selection';
import { zoom, zoomIdentity, zoomTransform } from 'd3-zoom';
import type { ZoomBehavior } from 'd3-zoom';
import { useEffect, useRef } from 'react';
import type { RefObject } from 'react';

import { MOST_SCALE } from './views';
import type { View } from './draw';

export interface Zoom {
  /** The present view. */
  view: () => View;
  set: (view: View) => void;
  by: (factor: number) => void;
  move: (x: number, y: number) => void;
}

/** Zoom with wheel, pinch and double click, pan by dragging. `onView` is called for each change of the view. */
export function useZoom(canvas: RefObject<HTMLCanvasElement | null>, least: () => number, onView: () => void): Zoom {
  const behavior = useRef<ZoomBehavior<HTMLCanvasElement, unknown>>(null);
  const told = useRef({ least, onView });
  useEffect(() => {
    told.current = { least, onView };
  });

  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const made = zoom<HTMLCanvasElement, unknown>()
      .on('start', () => made.scaleExtent([told.current.least(), MOST_SCALE]))
      .on('zoom', () => told.current.onView());
    behavior.current = made;
    const selection = select(element);
    selection.call(made);
    return () => {
      selection.on('.zoom', null);
    };
  }, [canvas]);

  function act(change: (made: ZoomBehavior<HTMLCanvasElement, unknown>, element: HTMLCanvasElement) => void): void {
    if (behavior.current !== null && canvas.current !== null) change(behavior.current, canvas.current);
  }

  return {
    view: () => {
      const { k, x, y } = canvas.current === null ? zoomIdentity : zoomTransform(canvas.current);
      return { scale: k, x, y };
    },
    set: ({ scale, x, y }) =>
      act((made, element) => {
        made.scaleExtent([Math.min(told.current.least(), scale), MOST_SCALE]);
        select(element).call((target) => made.transform(target, zoomIdentity.translate(x, y).scale(scale)));
      }),
    by: (factor) => act((made, element) => select(element).call((target) => made.scaleBy(target, factor))),
    move: (x, y) =>
      act((made, element) => {
        const { k } = zoomTransform(element);
        select(element).call((target) => made.translateBy(target, x / k, y / k));
      }),
  };
}
