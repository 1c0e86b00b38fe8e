import 'uplot/dist/uPlot.min.css';

import { useComputedColorScheme } from '@mantine/core';
import { useElementSize } from '@mantine/hooks';
import { useEffect, useEffectEvent, useRef } from 'react';
import uPlot from 'uplot';

import type { Charted, Series, Unit } from './series';

interface Props extends Omit<Charted, 'title'> {
  /** What the values count in: it decides at which of them lines may stand. */
  unit: Unit;
  height: number;
  /** The index of the time under the pointer, or null. */
  onPoint?: (index: number | null) => void;
  /** The lines alone: no axes, no pointer. */
  bare?: boolean;
}

/** The least part of the span that the width stands for. */
const LEAST_SHARE = 12;
const DASHES = [6, 4];
const VALUE_AXIS_WIDTH = 62;
const TIME_AXIS_HEIGHT = 30;
const MINUTE_S = 60;
const WHOLE_STEPS = Array.from({ length: 10 }, (_, at) => [1, 2, 5].map((step) => step * 10 ** at)).flat();
const BYTE_STEPS = Array.from({ length: 50 }, (_, at) => 2 ** at);
const STEPS: Record<Unit, { incrs?: number[] }> = {
  any: {},
  whole: { incrs: WHOLE_STEPS },
  bytes: { incrs: BYTE_STEPS },
};
const BARE: Partial<uPlot.Options> = {
  padding: [3, 1, 3, 1],
  axes: [{ show: false }, { show: false }],
  cursor: { show: false },
  hooks: {},
};
const ignore = () => undefined;
/** Charts whose pointers go together. */
const TOGETHER = { key: 'time' };

/** The drawing itself: uPlot on a canvas, drawn anew when its size, its lines or the colours change. */
export default function Plot({ times, series, span_s, format, unit, height, onPoint = ignore, bare = false }: Props) {
  const { ref, width } = useElementSize();
  const target = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme('light');
  const plot = useRef<uPlot | null>(null);
  const lines = series.map(({ name, color, dashed }) => `${name}:${color}:${String(dashed)}`).join();
  const point = useEffectEvent(onPoint);
  const formatted = useEffectEvent(format);
  const data = useEffectEvent(() => dataOf(times, series));
  const make = useEffectEvent((place: HTMLElement) => {
    const options = optionsFor(
      series,
      span_s,
      unit,
      scheme,
      { width, height },
      (value) => formatted(value),
      (at) => point(at),
    );
    return new uPlot(bare ? { ...options, ...BARE } : options, data(), place);
  });

  useEffect(() => {
    const place = target.current;
    if (place === null || width === 0) return undefined;
    const made = make(place);
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [width, height, scheme, lines, span_s]);

  useEffect(() => plot.current?.setData(dataOf(times, series)), [times, series]);

  return (
    <div ref={ref} style={{ height, minWidth: 0 }}>
      <div ref={target} />
    </div>
  );
}

function dataOf(times: readonly number[], series: readonly Series[]): uPlot.AlignedData {
  return [[...times], ...series.map(({ values }) => [...values])];
}

function optionsFor(
  series: readonly Series[],
  span_s: number,
  unit: Unit,
  scheme: 'light' | 'dark',
  size: { width: number; height: number },
  format: (value: number) => string,
  onPoint: (index: number | null) => void,
): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--mantine-color-${name}`).trim();
  const shade = scheme === 'dark' ? 4 : 7;
  const axis = { stroke: colour('dimmed'), font: `12px ${style.getPropertyValue('--mantine-font-family')}` };
  const grid = { stroke: scheme === 'dark' ? colour('dark-4') : colour('gray-2'), width: 1 };
  return {
    ...size,
    legend: { show: false },
    // The last time's words reach beyond the drawing.
    padding: [8, 24, 0, 0],
    scales: {
      x: { time: true, range: (_, start, end) => [beginOf(start, end, span_s), end] },
      y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 1] },
    },
    axes: [
      { ...axis, grid: { show: false }, ticks: grid, space: 70, size: TIME_AXIS_HEIGHT, values: timesOfDay },
      {
        ...axis,
        grid,
        ticks: { show: false },
        size: VALUE_AXIS_WIDTH,
        space: 34,
        ...STEPS[unit],
        values: (_, ticks) => ticks.map(format),
      },
    ],
    cursor: { y: false, sync: TOGETHER, drag: { x: false, y: false }, points: { size: 6 } },
    hooks: { setCursor: [(drawn) => onPoint(drawn.cursor.idx ?? null)] },
    series: [
      {},
      ...series.map(({ name, color, dashed }) => ({
        label: name,
        stroke: colour(`${color}-${shade}`),
        width: 1.75,
        ...(dashed === true ? { dash: DASHES } : {}),
        // A lone value between gaps would be no line at all.
        points: { show: false, filter: lonePoints, size: 4 },
      })),
    ],
  };
}

/** Name the times of an axis as `19:33`, and as `19:33:30` where they stand within one minute of each other. */
export function timesOfDay(_: uPlot, times: number[]): string[] {
  const [first = 0, second = first + MINUTE_S] = times;
  const named = uPlot.fmtDate(second - first < MINUTE_S ? '{HH}:{mm}:{ss}' : '{HH}:{mm}');
  return times.map((time) => named(new Date(time * 1_000)));
}

/** A young server's few figures get most of the width, but never so much that a minute looks like an hour. */
function beginOf(first: number, end: number, span_s: number): number {
  return Math.max(end - span_s, Math.min(first, end - span_s / LEAST_SHARE));
}

function lonePoints(drawn: uPlot, index: number): number[] {
  const values = drawn.data[index] ?? [];
  return [...values.keys()].filter(
    (at) => values[at] != null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null,
  );
}
