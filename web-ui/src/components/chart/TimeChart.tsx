import { Paper, Skeleton, Table, Text } from '@mantine/core';
import { Suspense, lazy, useId, useState } from 'react';

import { clock } from '../format';
import classes from './TimeChart.module.css';
import { inWords, rowsOf } from './series';
import type { Charted, Unit } from './series';

const Plot = lazy(() => import('./Plot'));

const HEIGHT = 180;
const MOST_ROWS = 12;

interface Props extends Charted {
  unit?: Unit;
  /** Says why there is nothing to draw, where there is not. */
  empty?: string;
}

/** Figures over time: a drawing, the values at the pointer or now, and the same as words and as a table. */
export function TimeChart({ title, times, series, span_s, format, unit = 'any', empty }: Props) {
  const [point, setPoint] = useState<number | null>(null);
  const id = useId();
  const shown = point !== null && point < times.length ? point : times.length - 1;
  const at = times[shown];
  return (
    <Paper component="figure" withBorder className={classes.figure} aria-labelledby={id}>
      <figcaption className={classes.caption}>
        <Text id={id} fw={600} size="sm" component="span">
          {title}
        </Text>
        <Text size="xs" c="dimmed" component="span">
          {at === undefined ? '' : point === null ? 'now' : clock(new Date(at * 1_000))}
        </Text>
      </figcaption>
      <ul className={classes.legend}>
        {series.map(({ name, color, dashed, values }) => (
          <li key={name}>
            <span className={classes.line} data-color={color} data-dashed={dashed === true || undefined} aria-hidden />
            <span>{name}</span>
            <strong>{valueOf(values[shown], format)}</strong>
          </li>
        ))}
      </ul>
      {empty !== undefined ? (
        <Text size="sm" c="dimmed" className={classes.empty} style={{ height: HEIGHT }}>
          {empty}
        </Text>
      ) : (
        <div role="img" className={classes.drawing} aria-label={inWords(title, times, series, format)}>
          <Suspense fallback={<Skeleton height={HEIGHT} animate={false} />}>
            <Plot {...{ times, series, span_s, format, unit }} height={HEIGHT} onPoint={setPoint} />
          </Suspense>
        </div>
      )}
      {empty === undefined && <AsTable {...{ title, times, series, format }} />}
    </Paper>
  );
}

type TableProps = Pick<Props, 'title' | 'times' | 'series' | 'format'>;

function AsTable({ title, times, series, format }: TableProps) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className={classes.summary}>As a table</summary>
      {open && (
        <Table.ScrollContainer minWidth={300} tabIndex={0} role="region" aria-label={`${title}, as a table`}>
          <Table fz="xs" verticalSpacing={2}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>until</Table.Th>
                {series.map(({ name }) => (
                  <Table.Th key={name}>{name}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {rowsOf(times, series, MOST_ROWS).map(({ time, values }) => (
                <Table.Tr key={time}>
                  <Table.Td>{clock(new Date(time * 1_000))}</Table.Td>
                  {values.map((value, index) => (
                    <Table.Td key={series[index]?.name}>{valueOf(value, format)}</Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
    </details>
  );
}

function valueOf(value: number | null | undefined, format: (value: number) => string): string {
  return value === null || value === undefined ? '–' : format(value);
}
