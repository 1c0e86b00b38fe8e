import { Anchor, Button, Group, Paper, Progress, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconArrowLeft, IconPlayerStop } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { Link } from 'wouter';

import { useServerEvents } from '../../api/events';
import type { BatchAnswer } from '../../api/schema';
import { ConfirmDialog } from '../../components/ConfirmDialog';
import { NotAnswered } from '../../components/NotAnswered';
import { View } from '../../components/View';
import { count, moment } from '../../components/format';
import { JobTable } from './JobTable';
import { STATUS_WORDS } from './StatusBadge';
import { STATUSES } from './filter';
import { batchQuery, jobsQuery, useCancelBatch } from './queries';

const COLORS = { PENDING: 'gray', RUNNING: 'cyan', SUCCESS: 'teal', FAILED: 'red', CANCELLED: 'dark' } as const;

/** How far a batch is, and its jobs. */
export function BatchPage({ id }: { id: string }) {
  const { data, error, isPending, refetch } = useQuery(batchQuery(id));
  const queries = useQueryClient();
  const running = data !== undefined && data.done < data.total;
  useServerEvents(running ? `/v1/batches/${encodeURIComponent(id)}/events` : null, ({ data: told }) => {
    queries.setQueryData(batchQuery(id).queryKey, told as BatchAnswer);
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
            Batch of {count(total)} jobs
          </Title>
          <Text size="sm" c="dimmed">
            Accepted {moment(batch.created_at)}
          </Text>
        </Stack>
        {done < total && <CancelRest batch={batch} />}
      </Group>
      <Paper withBorder p="md" bg="var(--page-raised)">
        <Stack gap="xs">
          <Progress.Root size="lg">
            {STATUSES.filter((status) => status !== 'PENDING').map((status) => (
              <Progress.Section
                key={status}
                value={total > 0 ? (100 * (counts[status] ?? 0)) / total : 0}
                color={COLORS[status]}
                aria-label={`${STATUS_WORDS[status]}: ${counts[status] ?? 0}`}
              />
            ))}
          </Progress.Root>
          <Text size="sm" role="status">
            {count(done)} of {count(total)} have ended:{' '}
            {STATUSES.map((status) => `${count(counts[status] ?? 0)} ${STATUS_WORDS[status]}`).join(', ')}.
          </Text>
        </Stack>
      </Paper>
    </>
  );
}

function Jobs({ batch, running }: { batch: string; running: boolean }) {
  const [trail, setTrail] = useState<(string | null)[]>([null]);
  const query = useMemo(() => ({ batch }), [batch]);
  const { data, error, refetch } = useQuery(jobsQuery(query, trail.at(-1) ?? null, !running));
  const next = data?.next_cursor ?? null;
  return (
    <>
      {error !== null && <NotAnswered failure={error} onRetry={() => void refetch()} />}
      <Paper withBorder px="md" py="xs" bg="var(--page-raised)">
        <JobTable jobs={data?.jobs} label="Jobs of the batch" />
      </Paper>
      {(trail.length > 1 || next !== null) && (
        <Group justify="center">
          <Button variant="default" disabled={trail.length === 1} onClick={() => setTrail(trail.slice(0, -1))}>
            Newer
          </Button>
          <Button variant="default" disabled={next === null} onClick={() => setTrail([...trail, next])}>
            Older
          </Button>
        </Group>
      )}
    </>
  );
}

function CancelRest({ batch }: { batch: BatchAnswer }) {
  const [opened, { open, close }] = useDisclosure(false);
  const { mutate, isPending, error } = useCancelBatch(batch.id);
  return (
    <>
      <Button size="xs" variant="default" onClick={open} leftSection={<IconPlayerStop size={16} aria-hidden />}>
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
        {count(batch.total - batch.done)} jobs have not ended. Those that run are stopped, the others do not begin.
      </ConfirmDialog>
    </>
  );
}
