import type { ServerHistory } from '../../api/schema';
import type { Series } from '../../components/chart/series';

/** How many samples the server holds: the width of a chart. */
export const SAMPLES = 360;

/** Each error type in words of people, in the order of who is to blame. */
const ERROR_NAMES: [string, string, Series['color']][] = [
  ['ValidationError', 'input or output refused', 'orange'],
  ['ExecutionError', 'plugin failed', 'red'],
  ['PluginError', 'plugin ended or refused', 'grape'],
  ['InternalError', 'fault of the server', 'gray'],
];

/** The lines of a latency chart, of the server's or of a plugin's figures. */
export function latencySeries({
  p50_ms,
  p95_ms,
  p99_ms,
}: Pick<ServerHistory, 'p50_ms' | 'p95_ms' | 'p99_ms'>): Series[] {
  return [
    { name: 'p50', values: p50_ms, color: 'cyan' },
    { name: 'p95', values: p95_ms, color: 'orange' },
    { name: 'p99', values: p99_ms, color: 'grape', dashed: true },
  ];
}

/** The lines of an error chart; a type that the page does not know has its own name. */
export function errorSeries(errors: Record<string, number[]>): Series[] {
  const known = ERROR_NAMES.flatMap(([type, name, color]): Series[] => {
    const values = errors[type];
    return values === undefined ? [] : [{ name, values, color }];
  });
  const others = Object.entries(errors)
    .filter(([type]) => !ERROR_NAMES.some(([name]) => name === type))
    .map(([name, values]): Series => ({ name, values, color: 'gray', dashed: true }));
  return [...known, ...others];
}
