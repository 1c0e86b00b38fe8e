import { duration } from '../format';

/** One line of a chart: a value for each time, null where there is none. */
export interface Series {
  name: string;
  values: readonly (number | null)[];
  /** A colour of the theme. */
  color: 'cyan' | 'orange' | 'grape' | 'red' | 'gray';
  /** Told apart without colour. */
  dashed?: boolean;
}

/** What the values of a chart count in. */
export type Unit = 'any' | 'whole' | 'bytes';

/** What every chart is given. */
export interface Charted {
  title: string;
  times: readonly number[];
  series: readonly Series[];
  /** The most seconds that the chart's width stands for. */
  span_s: number;
  format: (value: number) => string;
}

export interface Spread {
  last: number | null;
  least: number;
  most: number;
}

/** Return the last value of a series, its least and its most; null if it has none. */
export function spreadOf(values: readonly (number | null)[]): Spread | null {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return null;
  const [least, most] = known.reduce(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity],
  );
  return { last: values.at(-1) ?? null, least, most };
}

/** Return a chart in words, for those who do not see it. */
export function inWords(
  title: string,
  times: readonly number[],
  series: readonly Series[],
  format: (value: number) => string,
): string {
  const first = times[0];
  const last = times.at(-1);
  if (first === undefined || last === undefined) return `${title}: no figures yet.`;
  const lines = series.map(({ name, values }) => {
    const spread = spreadOf(values);
    if (spread === null) return `${name}: none`;
    const now = spread.last === null ? 'none now' : `now ${format(spread.last)}`;
    return `${name}: ${now}, between ${format(spread.least)} and ${format(spread.most)}`;
  });
  return `${title}, last ${duration(last - first)}. ${lines.join('; ')}.`;
}

/** One row of a chart's table: the time at its end, and a value for each series. */
export interface Row {
  time: number;
  values: (number | null)[];
}

/** Return a chart as at most `most` rows, newest first: the mean of what each of them stands for. */
export function rowsOf(times: readonly number[], series: readonly Series[], most: number): Row[] {
  const each = Math.max(1, Math.ceil(times.length / most));
  const rows: Row[] = [];
  for (let end = times.length; end > 0; end -= each) {
    const begin = Math.max(0, end - each);
    rows.push({
      time: times[end - 1] ?? 0,
      values: series.map(({ values }) => meanOf(values.slice(begin, end))),
    });
  }
  return rows;
}

function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}
