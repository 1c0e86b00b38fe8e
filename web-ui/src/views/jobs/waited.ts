import type { JobSummary } from '../../api/schema';

type Times = Pick<JobSummary, 'created_at' | 'started_at' | 'waiting_ms' | 'attempt'>;

/**
 * Return how long a job waited before it ran, in milliseconds: until it was claimed, and then for a worker. Null if it
 * has not begun, and after a second attempt, before which it ran and rested.
 */
export function waitedMs({ created_at, started_at, waiting_ms, attempt }: Times): number | null {
  if (started_at === null || attempt > 1) return null;
  return Math.max(0, new Date(started_at).getTime() - new Date(created_at).getTime()) + (waiting_ms ?? 0);
}
