import type { JobProgress } from '../api/schema';
import { printable } from './printable';

/** How far a job says that it is, in a line. */
export function progressInWords({ done, total, message }: JobProgress): string {
  const share = shareOf({ done, total });
  return (
    [share === null ? null : `${Math.round(share)} %`, printable(message) || null].filter(Boolean).join(', ') || 'runs'
  );
}

/** How far it is in percent; null if it does not say how much there is to do. */
export function shareOf({ done, total }: Pick<JobProgress, 'done' | 'total'>): number | null {
  return total > 0 ? Math.max(0, Math.min(100, (100 * done) / total)) : null;
}
