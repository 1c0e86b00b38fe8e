import { SimpleGrid } from '@mantine/core';

import type { ServerHistory } from '../../api/schema';
import { TimeChart } from '../../components/chart/TimeChart';
import { bytes, count, figure, milliseconds } from '../../components/format';
import { SAMPLES, errorSeries, latencySeries } from './lines';

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
