import type { CallFailed } from '../api/failure';
import type { JobProgress } from '../api/schema';
import type { Values } from '../options/values';
import type { Finding } from './findings';
import { coloursOf } from './palette';

/** What one plugin said of an image, or what became of the call. */
export interface Layer {
  plugin: string;
  options: Values;
  state: 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';
  result: Record<string, unknown> | null;
  findings: readonly Finding[];
  waitingMs: number | null;
  runningMs: number | null;
  jobId: string | null;
  failure: CallFailed | null;
  /** How far the plugin says that it is, while it runs. */
  progress: JobProgress | null;
  /** Why a running call does not go on just now. */
  held: 'server' | 'key' | 'busy' | null;
}

/** Return a colour for each finding: by plugin where there are several, else by what was found. */
export function colouring(layers: readonly Layer[]): {
  ofFinding: (finding: Finding) => string;
  ofPlugin: (plugin: string) => string | null;
} {
  const drawn = layers.filter(({ findings }) => findings.length > 0);
  const byPlugin = coloursOf(drawn.map(({ plugin }) => plugin));
  const byWhat = coloursOf(drawn.flatMap(({ findings }) => findings.map(whatOf)));
  const isOne = drawn.length <= 1;
  return {
    ofFinding: (finding) => (isOne ? byWhat.get(whatOf(finding)) : byPlugin.get(finding.plugin)) ?? '#ffb000',
    ofPlugin: (plugin) => (isOne && byWhat.size > 1 ? null : (byPlugin.get(plugin) ?? null)),
  };
}

function whatOf(finding: Finding): string {
  return finding.label ?? finding.kind;
}
