import { Anchor, Button, Group, Paper, Progress, Skeleton, Stack, Text, Title, VisuallyHidden } from '@mantine/core';
import { useDisclosure, useThrottledCallback } from '@mantine/hooks';
import { IconArrowLeft, IconPlayerStop } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Fragment, useMemo, useState } from 'react';
import { Link } from 'wouter';

import { useServerEvents } from '../../api/events';
import type { BatchAnswer } from '../../api/schema';
import { ConfirmDialog } from '../../components/ConfirmDialog';
import { CopyableId } from '../../components/CopyableId';
import { NotAnswered } from '../../components/NotAnswered';
import { Pager } from '../../components/Pager';
import { View } from '../../components/View';
import { count, moment } from '../../components/format';
import { countWords } from '../../components/words';
import { JobTable } from './JobTable';
import { STATUS_WORDS } from './StatusBadge';
import { STATUSES, searchOf } from './filter';
import type { Status } from './filter';
import { batchQuery, jobsQuery, useCancelBatch } from './queries';

// What has ended grows from the left; what runs stands at its edge.
const BEGUN = ['SUCCESS', 'FAILED', 'CANCELLED', 'RUNNING'] as const;
const COLORS = { RUNNING: 'cyan', SUCCESS: 'teal', FAILED: 'red', CANCELLED: 'dark' } as const;

const LIST_AGAIN_MS = 1_000;

/** How far a batch is, and its jobs. */
export function BatchPage({ id }: { id: string }) {
  const { data, error, isPending, refetch } = useQuery(batchQuery(id));
  const queries = useQueryClient();
  const running = data !== undefined && data.done < data.total;
  const listAgain = useThrottledCallback(
    () => void queries.invalidateQueries({ queryKey: ['jobs', 'list', { batch: id }] }),
    LIST_AGAIN_MS,
  );
  useServerEvents(running ? `/v1/batches/${encodeURIComponent(id)}/events` : null, ({ event, data: told }) => {
    const { queryKey } = batchQuery(id);
    if (event === 'resync') void queries.invalidateQueries({ queryKey });
    else queries.setQueryData(queryKey, told as BatchAnswer);
    listAgain();
  });
  return (
    <View title={data === undefined ? 'Batch' : `Batch: ${count(data.done)} of ${count(data.total)}`}>
      <Anchor component={Link} to="/jobs" size="sm" w="fit-content">
        <Group gap={4}>
          <IconArrowLeft size={16} aria-hidden /> All jobs
        </Group>
      </Anchor>
      {error !== null && <NotAnswered failure={error} onRetry={() => void refetch()} />}
      {isPending && <Skeleton height="8rem" role="status" aria-label="Loading the batch" />}
      {data !== undefined && <Batch batch={data} />}
      {data !== undefined && <Jobs batch={id} running={running} />}
    </View>
  );
}

function Batch({ batch }: { batch: BatchAnswer }) {
  const { total, done, counts } = batch;
  return (
    <>
      <Group justify="space-between" align="flex-start">
        <Stack gap={4}>
          <Title order={1} size="h2">
            Batch of {countWords(total, 'job')}
          </Title>
          <Text size="sm" c="dimmed">
            Accepted {moment(batch.created_at)}
          </Text>
          <CopyableId id={batch.id} />
        </Stack>
        {done < total && <CancelRest batch={batch} />}
      </Group>
      <Paper withBorder p="md" bg="var(--page-raised)">
        <Stack gap="xs">
          <Progress.Root size="lg">
            {BEGUN.map((status) => (
              <Progress.Section
                key={status}
                value={total > 0 ? (100 * (counts[status] ?? 0)) / total : 0}
                color={COLORS[status]}
                aria-label={`${STATUS_WORDS[status]}: ${counts[status] ?? 0}`}
              />
            ))}
          </Progress.Root>
          {/* Read aloud at the end alone: the counts may change ten times a second. */}
          <VisuallyHidden role="status">{done === total && 'The batch is done.'}</VisuallyHidden>
          <Text size="sm">
            {count(done)} of {count(total)} have ended:{' '}
            {STATUSES.map((status, at) => (
              <Fragment key={status}>
                {at > 0 && ', '}
                <Counted batch={batch} status={status} />
              </Fragment>
            ))}
            .
          </Text>
        </Stack>
      </Paper>
    </>
  );
}

/** How many jobs of a batch have a status; a way to them where there are any. */
function Counted({ batch, status }: { batch: BatchAnswer; status: Status }) {
  const number = batch.counts[status] ?? 0;
  const words = `${count(number)} ${STATUS_WORDS[status]}`;
  if (number === 0) return words;
  return (
    <Anchor component={Link} to={`/jobs${searchOf({ batch: batch.id, status })}`} size="sm" underline="always">
      {words}
    </Anchor>
  );
}

function Jobs({ batch, running }: { batch: string; running: boolean }) {
  const [trail, setTrail] = useState<(string | null)[]>([null]);
  const query = useMemo(() => ({ batch }), [batch]);
  const { data, error, refetch, isPlaceholderData } = useQuery(jobsQuery(query, trail.at(-1) ?? null, !running));
  const next = data?.next_cursor ?? null;
  return (
    <>
      {error !== null && <NotAnswered failure={error} onRetry={() => void refetch()} />}
      <Paper withBorder px="md" py="xs" bg="var(--page-raised)">
        <JobTable jobs={data?.jobs} label="Jobs of the batch" />
      </Paper>
      <Pager
        onNewest={trail.length > 1 ? () => setTrail([null]) : undefined}
        onNewer={trail.length > 1 ? () => setTrail(trail.slice(0, -1)) : undefined}
        onOlder={next === null ? undefined : () => !isPlaceholderData && setTrail([...trail, next])}
      />
    </>
  );
}

function CancelRest({ batch }: { batch: BatchAnswer }) {
  const [opened, { open, close }] = useDisclosure(false);
  const { mutate, isPending, error, reset } = useCancelBatch(batch.id);
  const ask = () => {
    reset();
    open();
  };
  return (
    <>
      <Button size="xs" variant="default" onClick={ask} leftSection={<IconPlayerStop size={16} aria-hidden />}>
        Cancel the rest
      </Button>
      <ConfirmDialog
        opened={opened}
        onClose={close}
        title="Cancel what has not ended?"
        no="Let them go on"
        yes="Cancel the rest"
        danger
        onConfirm={() => mutate(undefined, { onSuccess: close })}
        isPending={isPending}
        failure={error}
      >
        {countWords(batch.total - batch.done, 'job')} not ended yet: what runs is stopped, the rest does not begin.
      </ConfirmDialog>
    </>
  );
}
