import { Anchor, Badge, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useLocation, useSearch } from 'wouter';
import { useHistoryState } from 'wouter/use-browser-location';
import { NotAnswered } from '../../components/NotAnswered';
import { Pager } from '../../components/Pager';

import { View } from '../../components/View';
import { AddressFilters } from './AddressFilters';
import { Filters } from './Filters';
import { JobTable } from './JobTable';
import { StatusTabs } from './StatusTabs';
import { filterOf, isId, notUnderstood, searchOf } from './filter';
import type { JobFilter } from './filter';
import { jobsQuery } from './queries';
import { useLiveJobs } from './useLiveJobs';
import { useJobQuery } from './useJobQuery';

/** The cursors of the pages before this one, as the browser's history keeps them. */
interface Trail {
  before?: (string | null)[];
}

/** All jobs, newest first, as they happen. */
export function JobList() {
  const [, navigate] = useLocation();
  const search = useSearch();
  const filter = filterOf(search);
  const cursor = new URLSearchParams(search).get('cursor');
  const before = useHistoryState<Trail | null>()?.before ?? [];
  const query = useJobQuery(filter);
  const { live } = useLiveJobs(query, cursor);
  const { data, error, refetch, isPlaceholderData } = useQuery(jobsQuery(query, cursor, live));

  const narrow = (next: JobFilter) => navigate(`/jobs${searchOf(next)}`, { replace: true });
  const turnTo = (page: string | null, trail: (string | null)[]) => {
    navigate(`/jobs${searchOf(filter, page)}`, { state: { before: trail } satisfies Trail });
    window.scrollTo({ top: 0 });
  };
  const newer = before.at(-1) ?? null;
  const next = data?.next_cursor ?? null;
  return (
    <View title="Jobs">
      <Group justify="space-between" align="flex-end">
        <Title order={1} size="h2">
          Jobs
        </Title>
        <Badge variant="dot" color={live ? 'teal' : 'gray'} tt="none" role="status">
          {live ? 'live' : 'looking every few seconds'}
        </Badge>
      </Group>
      <StatusTabs filter={filter} query={query} onChange={narrow} />
      <Filters filter={filter} onChange={narrow} />
      <AddressFilters filter={filter} unknown={notUnderstood(search)} onChange={narrow} />
      {error !== null && <NotAnswered failure={error} onRetry={() => void refetch()} />}
      <Paper withBorder px="md" py="xs" bg="var(--page-raised)" opacity={isPlaceholderData ? 0.6 : 1}>
        <JobTable jobs={error !== null && data === undefined ? [] : data?.jobs} label="Jobs, newest first" />
        {data?.jobs.length === 0 && <Nothing filter={filter} />}
      </Paper>
      <Pager
        onNewest={cursor === null ? undefined : () => turnTo(null, [])}
        onNewer={cursor === null ? undefined : () => turnTo(newer, before.slice(0, -1))}
        onOlder={next === null ? undefined : () => !isPlaceholderData && turnTo(next, [...before, cursor])}
      />
    </View>
  );
}

function Nothing({ filter }: { filter: JobFilter }) {
  const filtered = Object.keys(filter).length > 0;
  return (
    <Stack align="center" py="xl" gap={4} role="status">
      <Text fw={600}>{filtered ? 'No job fits' : 'There are no jobs yet'}</Text>
      <Text size="sm" c="dimmed">
        {filtered ? (
          'Take a filter away to see more.'
        ) : (
          <>
            Every analysis is one: <Way to="/">make the first</Way>.
          </>
        )}
      </Text>
      {filter.q !== undefined && isId(filter.q) && (
        <Text size="sm" c="dimmed">
          It may be the id of a batch: <Way to={`/batches/${filter.q}`}>look for the batch</Way>.
        </Text>
      )}
    </Stack>
  );
}

function Way({ to, children }: { to: string; children: string }) {
  return (
    <Anchor component={Link} to={to} size="sm" underline="always">
      {children}
    </Anchor>
  );
}
