import { useInViewport } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';

import { Sparkline } from '../../components/chart/Sparkline';
import { milliseconds } from '../../components/format';
import { SAMPLES, latencySeries } from '../health/lines';
import { pluginHistoryQuery } from './queries';

const SHOWN = ['p50', 'p95'];
const NO_FIGURES = { p50_ms: [], p95_ms: [], p99_ms: [] };
const TITLE = 'Time a call took';

/** How long a plugin's calls took in the last hour, on its card. The figures are asked for while it is in sight. */
export function Latency({ name }: { name: string }) {
  const { ref, inViewport } = useInViewport();
  const { data, error } = useQuery({ ...pluginHistoryQuery(name), enabled: inViewport });
  const isAwaited = data === undefined && error === null;
  const lines = latencySeries(data ?? NO_FIGURES).filter(({ name: line }) => SHOWN.includes(line));
  return (
    <div ref={ref}>
      <Sparkline
        title={TITLE}
        times={data?.times ?? []}
        series={lines}
        span_s={SAMPLES * (data?.every_s ?? 1)}
        format={milliseconds}
        isPending={isAwaited && inViewport}
        // What is out of sight is neither asked for nor awaited.
        empty={error !== null ? 'The figures cannot be had now' : isAwaited ? '' : 'No calls in the last hour'}
      />
    </div>
  );
}
