import { Skeleton, Text } from '@mantine/core';
import { Suspense, lazy } from 'react';

import classes from './TimeChart.module.css';
import { inWords } from './series';
import type { Charted } from './series';

const Plot = lazy(() => import('./Plot'));

const HEIGHT = 36;

interface Props extends Charted {
  /** Says why there is nothing to draw, where there is not. */
  empty: string;
  isPending: boolean;
}

/** The course of figures in little room, all of which it takes from the start: no axes, no pointer. */
export function Sparkline({ title, times, series, span_s, format, empty, isPending }: Props) {
  const isEmpty = series.every(({ values }) => values.every((value) => value === null));
  return (
    <figure className={classes.spark} role="img" aria-label={inWords(title, times, series, format)}>
      <figcaption className={classes.sparkCaption} aria-hidden>
        <span>{title}</span>
        {series.map(({ name, color }) => (
          <span key={name}>
            <span className={classes.line} data-color={color} /> {name}
          </span>
        ))}
      </figcaption>
      {isPending ? (
        <Skeleton height={HEIGHT} animate={false} />
      ) : isEmpty ? (
        <Text size="xs" c="dimmed" className={classes.empty} style={{ height: HEIGHT }}>
          {empty}
        </Text>
      ) : (
        <Suspense fallback={<Skeleton height={HEIGHT} animate={false} />}>
          <Plot {...{ times, series, span_s, format }} unit="any" height={HEIGHT} bare />
        </Suspense>
      )}
    </figure>
  );
}
