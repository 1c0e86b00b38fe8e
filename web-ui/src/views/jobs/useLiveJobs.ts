import { useThrottledCallback } from '@mantine/hooks';
import { useQueryClient } from '@tanstack/react-query';

import type { JobList, JobSummary } from '../../api/schema';
import { useServerEvents } from '../../api/events';
import type { Following } from '../../api/events';
import { mayShow } from './filter';
import type { JobQuery } from './filter';

const ASK_AGAIN_MS = 1_000;

/**
 * Keep a shown page of jobs as the server's events tell: a row that is shown changes at once; for one that may have to
 * come in or go out, the page is asked for again, at most once a second however many events come.
 */
export function useLiveJobs(query: JobQuery, cursor: string | null): Following {
  const queries = useQueryClient();
  const askAgain = useThrottledCallback(
    () => void queries.invalidateQueries({ queryKey: ['jobs', 'list'] }),
    ASK_AGAIN_MS,
  );
  const key = ['jobs', 'list', query, cursor];
  return useServerEvents('/v1/jobs/events', ({ event, data }) => {
    if (event === 'resync') askAgain();
    if (event !== 'job' || !isJob(data)) return;
    const page = queries.getQueryData<JobList>(key);
    const at = page?.jobs.findIndex(({ id }) => id === data.id) ?? -1;
    if (page !== undefined && at >= 0) queries.setQueryData<JobList>(key, { ...page, jobs: page.jobs.with(at, data) });
    // Further pages hold older jobs: a new one changes nothing there.
    if (at >= 0 !== mayShow(data, query) && (at >= 0 || cursor === null)) askAgain();
  });
}

function isJob(data: unknown): data is JobSummary {
  const job = data as Partial<JobSummary> | null;
  return typeof job?.id === 'string' && typeof job.status === 'string' && typeof job.plugin === 'string';
}
