import { useMemo } from 'react';

import { useNow } from '../../components/useNow';
import { queryOf, searchOf } from './filter';
import type { JobFilter, JobQuery } from './filter';

const EVERY_MS = 60_000;

/** What to ask the server for, by a filter. A filter that reaches back from now is moved along each minute. */
export function useJobQuery(filter: JobFilter): JobQuery {
  const now = useNow(EVERY_MS);
  const said = searchOf(filter);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- a filter that says the same is the same
  return useMemo(() => queryOf(filter, now), [said, now]);
}
