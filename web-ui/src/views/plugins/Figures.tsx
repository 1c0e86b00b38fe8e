import type { PluginAnswer } from '../../api/schema';
import { ago, count, milliseconds } from '../../components/format';
import { Facts } from '../../components/Facts';

/** What a plugin's calls came to since the server's start. */
export function Figures({ plugin }: { plugin: PluginAnswer }) {
  const time = (ms: number | null) => (ms === null ? '–' : milliseconds(ms));
  return (
    <Facts
      facts={[
        ['succeeded', count(plugin.success_count)],
        ['failed', count(plugin.error_count)],
        ['cancelled', count(plugin.cancelled_count)],
        ['running', count(plugin.in_flight)],
        ['p50', time(plugin.p50_execution_time_ms)],
        ['p95', time(plugin.p95_execution_time_ms)],
        ['p99', time(plugin.p99_execution_time_ms)],
        ['last used', plugin.last_used === null ? 'never' : ago(plugin.last_used)],
      ]}
    />
  );
}
