import { ActionIcon, Tooltip } from '@mantine/core';
import { IconMaximize, IconMinus, IconPlus } from '@tabler/icons-react';
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { KeyboardEvent, ReactNode } from 'react';

import type { Picture } from '../images/picture';
import type { Finding } from '../results/findings';
import { Backdrop } from './Backdrop';
import { drawPicture } from './draw';
import type { Size } from './draw';
import { Scene } from './scene';
import { useZoom } from './useZoom';
import classes from './Viewer.module.css';
import { fitting, showing } from './views';

interface Props {
  /** What the image is called, for those who do not see it. */
  name: string;
  /** The image, or null if it cannot be shown; findings are drawn all the same. */
  picture: Picture | null;
  /** The image's size in pixels, from which the first view is made. */
  size: Size;
  findings: readonly Finding[];
  colourOf: (finding: Finding) => string;
  hovered: string | null;
  selected: string | null;
  onHover: (id: string | null) => void;
  onSelect: (id: string | null) => void;
  /** Stands over the image, such as a note. */
  children?: ReactNode;
}

const HIT_PX = 4;
const STEP_PX = 60;

/** An image with findings over it, to zoom and pan. Arrow keys move it, plus and minus zoom, 0 shows all of it. */
export function Viewer(props: Props) {
  const { name, picture, size, findings, colourOf, hovered, selected, onHover, onSelect, children } = props;
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const screen = useRef<Size>({ width: 0, height: 0 });
  const drawing = useRef(0);
  const [backdrop] = useState(() => new Backdrop());
  const scene = useMemo(() => new Scene(findings), [findings]);

  const draw = useRef<() => void>(() => undefined);
  const drawSoon = useCallback(() => {
    cancelAnimationFrame(drawing.current);
    drawing.current = requestAnimationFrame(() => draw.current());
  }, []);
  const least = useCallback(() => Math.min(1, fitting(size, screen.current).scale) / 4, [size]);
  const zoom = useZoom(canvas, least, drawSoon);
  const zoomNow = useRef(zoom);

  useLayoutEffect(() => {
    zoomNow.current = zoom;
    draw.current = () => {
      const context = canvas.current?.getContext('2d');
      if (!context) return;
      const ratio = window.devicePixelRatio;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      context.clearRect(0, 0, screen.current.width, screen.current.height);
      const view = zoom.view();
      if (picture !== null) drawPicture(context, picture, view, screen.current);
      backdrop.draw(context, scene, view, screen.current, { colourOf, hovered, selected }, ratio);
    };
    drawSoon();
  });

  const { width, height } = size;
  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    let shown = false;
    const watch = new ResizeObserver(([entry]) => {
      const target = canvas.current;
      if (entry === undefined || target === null) return;
      screen.current = { width: entry.contentRect.width, height: entry.contentRect.height };
      target.width = Math.round(screen.current.width * window.devicePixelRatio);
      target.height = Math.round(screen.current.height * window.devicePixelRatio);
      if (!shown && screen.current.width > 0) {
        zoomNow.current.set(fitting({ width, height }, screen.current));
        shown = true;
      }
      draw.current();
    });
    watch.observe(element);
    return () => watch.disconnect();
  }, [width, height]);

  useEffect(() => () => cancelAnimationFrame(drawing.current), []);

  useEffect(() => {
    const place = scene.findings.find(({ id }) => id === selected)?.bounds;
    if (place === undefined || place === null || screen.current.width === 0) return;
    const better = showing(place, zoomNow.current.view(), screen.current);
    if (better !== null) zoomNow.current.set(better);
  }, [selected, scene]);

  function findingAt(event: { clientX: number; clientY: number }): Finding | null {
    const corner = canvas.current?.getBoundingClientRect();
    if (corner === undefined) return null;
    const { scale, x, y } = zoom.view();
    const point = { x: (event.clientX - corner.left - x) / scale, y: (event.clientY - corner.top - y) / scale };
    return scene.at(point, HIT_PX / scale);
  }

  function showAll(): void {
    zoom.set(fitting(size, screen.current));
  }

  const KEYS: Record<string, () => void> = {
    ArrowLeft: () => zoom.move(STEP_PX, 0),
    ArrowRight: () => zoom.move(-STEP_PX, 0),
    ArrowUp: () => zoom.move(0, STEP_PX),
    ArrowDown: () => zoom.move(0, -STEP_PX),
    '+': () => zoom.by(1.4),
    '=': () => zoom.by(1.4),
    '-': () => zoom.by(1 / 1.4),
    '0': showAll,
    Escape: () => onSelect(null),
  };

  function onKeyDown(event: KeyboardEvent): void {
    const act = KEYS[event.key];
    if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  }

  const placed = findings.filter(({ bounds }) => bounds !== null).length;
  const said = `${name} with ${placed} findings drawn over it. Arrow keys move it, plus and minus zoom, 0 shows all of it.`;
  return (
    <div ref={frame} className={classes.frame}>
      <canvas
        ref={canvas}
        className={classes.canvas}
        role="img"
        aria-label={said}
        tabIndex={0}
        data-over={hovered !== null || undefined}
        onKeyDown={onKeyDown}
        // While it is dragged, the pointer stays where it is on the image.
        onPointerMove={(event) => event.buttons === 0 && onHover(findingAt(event)?.id ?? null)}
        onPointerLeave={() => onHover(null)}
        onClick={(event) => onSelect(findingAt(event)?.id ?? null)}
      />
      {children}
      <div className={classes.tools} role="group" aria-label="Zoom">
        <Tool name="Zoom in" onClick={() => zoom.by(1.4)} icon={IconPlus} />
        <Tool name="Zoom out" onClick={() => zoom.by(1 / 1.4)} icon={IconMinus} />
        <Tool name="Show the whole image" onClick={showAll} icon={IconMaximize} />
      </div>
    </div>
  );
}

function Tool({ name, onClick, icon: Icon }: { name: string; onClick: () => void; icon: typeof IconPlus }) {
  return (
    <Tooltip label={name} position="left">
      <ActionIcon variant="default" size="lg" aria-label={name} onClick={onClick}>
        <Icon size={18} stroke={1.7} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
