import { useInterval } from '@mantine/hooks';
import { useMemo, useState } from 'react';

import { queryOf, searchOf } from './filter';
import type { JobFilter, JobQuery } from './filter';

const EVERY_MS = 60_000;

/** What to ask the server for, by a filter. A filter that reaches back from now is moved along each minute. */
export function useJobQuery(filter: JobFilter): JobQuery {
  const [now, setNow] = useState(() => Date.now());
  useInterval(() => setNow(Date.now()), EVERY_MS, { autoInvoke: true });
  const said = searchOf(filter);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- a filter that says the same is the same
  return useMemo(() => queryOf(filter, now), [said, now]);
}
