import { SimpleGrid } from '@mantine/core';

import type { ServerHistory } from '../../api/schema';
import { TimeChart } from '../../components/chart/TimeChart';
import type { Series } from '../../components/chart/series';
import { bytes, count, figure, milliseconds } from '../../components/format';

const SAMPLES = 360;

/** Each error type in words of people, in the order of who is to blame. */
const ERROR_NAMES: [string, string, Series['color']][] = [
  ['ValidationError', 'input or output refused', 'orange'],
  ['ExecutionError', 'plugin failed', 'red'],
  ['PluginError', 'plugin ended or refused', 'grape'],
  ['InternalError', 'fault of the server', 'gray'],
];

/** The last hour of the server. */
export function Charts({ history }: { history: ServerHistory }) {
  const { times } = history;
  const shared = {
    times,
    span_s: SAMPLES * history.every_s,
    ...(times.length === 0
      ? { empty: `The first figures come ${figure(history.every_s)} s after the server’s start.` }
      : {}),
  };
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
      <TimeChart
        title="Calls a second"
        series={[{ name: 'calls', values: history.calls, color: 'cyan' }]}
        format={figure}
        {...shared}
      />
      <TimeChart title="Errors a second" series={errorSeries(history.errors)} format={figure} {...shared} />
      <TimeChart title="Time a call took" series={latencySeries(history)} format={milliseconds} {...shared} />
      <TimeChart
        title="Waiting and running"
        series={[
          { name: 'jobs waiting', values: history.waiting_jobs, color: 'orange' },
          { name: 'calls waiting', values: history.waiting_calls, color: 'grape' },
          { name: 'running', values: history.in_flight, color: 'cyan', dashed: true },
        ]}
        format={count}
        unit="whole"
        {...shared}
      />
      <TimeChart
        title="Worker processes"
        series={[{ name: 'workers', values: history.workers, color: 'cyan' }]}
        format={count}
        unit="whole"
        {...shared}
      />
      <TimeChart
        title="Memory"
        series={[
          { name: 'workers', values: history.worker_memory_bytes, color: 'orange' },
          { name: 'server', values: history.server_memory_bytes, color: 'cyan', dashed: true },
        ]}
        format={bytes}
        unit="bytes"
        {...shared}
      />
    </SimpleGrid>
  );
}

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
