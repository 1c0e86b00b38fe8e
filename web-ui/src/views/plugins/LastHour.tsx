import { SimpleGrid, Skeleton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { NotAnswered } from '../../components/NotAnswered';

import { TimeChart } from '../../components/chart/TimeChart';
import { figure, milliseconds } from '../../components/format';
import { SAMPLES, errorSeries, latencySeries } from '../health/lines';
import { pluginHistoryQuery } from './queries';

/** How often a plugin was called in the last hour, how often it failed, and how long it took. */
export function LastHour({ name }: { name: string }) {
  const { data, error, refetch } = useQuery(pluginHistoryQuery(name));
  if (error !== null) return <NotAnswered failure={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton height="18rem" role="status" aria-label="Loading the figures" />;
  const shared = {
    times: data.times,
    span_s: SAMPLES * data.every_s,
    ...(data.times.length === 0 ? { empty: 'There are no figures of it yet.' } : {}),
  };
  return (
    <SimpleGrid cols={{ base: 1, md: 2 }}>
      <TimeChart title="Time a call took" series={latencySeries(data)} format={milliseconds} {...shared} />
      <TimeChart
        title="Calls and errors a second"
        series={[{ name: 'calls', values: data.calls, color: 'cyan' }, ...errorSeries(data.errors).filter(hasAny)]}
        format={figure}
        {...shared}
      />
    </SimpleGrid>
  );
}

function hasAny({ values }: { values: readonly (number | null)[] }): boolean {
  return values.some((value) => value !== null && value > 0);
}
