import { Anchor, Group, SimpleGrid, Skeleton, Stack, Title, VisuallyHidden } from '@mantine/core';
import { IconArrowLeft } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from 'wouter';

import { useServerEvents } from '../../api/events';
import { CallFailed } from '../../api/failure';
import type { JobAnswer } from '../../api/schema';
import { ErrorMessage } from '../../components/ErrorMessage';
import { CopyableId } from '../../components/CopyableId';
import { JsonBlock } from '../../components/JsonBlock';
import { NotAnswered } from '../../components/NotAnswered';
import { Section } from '../../components/Section';
import { View } from '../../components/View';
import { JobActions } from './JobActions';
import { JobFacts } from './JobFacts';
import { JobImage } from './JobImage';
import { JobProgress } from './JobProgress';
import { JobTimeline } from './JobTimeline';
import { STATUS_WORDS, StatusBadge } from './StatusBadge';
import { hasEnded } from './filter';
import { jobQuery } from './queries';

/** One job, as it goes. */
export function JobPage({ id }: { id: string }) {
  const { data, error, isPending, refetch } = useQuery(jobQuery(id));
  const queries = useQueryClient();
  const running = data !== undefined && !hasEnded(data);
  useServerEvents(running ? `/v1/jobs/${encodeURIComponent(id)}/events` : null, ({ event, data: told }) => {
    if (event !== 'progress') void queries.invalidateQueries({ queryKey: jobQuery(id).queryKey });
    else
      queries.setQueryData(jobQuery(id).queryKey, (job) => job && { ...job, progress: told as JobAnswer['progress'] });
  });
  return (
    <View title={data === undefined ? 'Job' : `${data.plugin} ${STATUS_WORDS[data.status]}`}>
      <Anchor component={Link} to="/jobs" size="sm" w="fit-content">
        <Group gap={4}>
          <IconArrowLeft size={16} aria-hidden /> All jobs
        </Group>
      </Anchor>
      {error !== null && <NotAnswered failure={error} onRetry={() => void refetch()} />}
      {isPending && <Skeleton height="30rem" role="status" aria-label="Loading the job" />}
      {data !== undefined && <Job job={data} />}
    </View>
  );
}

function Job({ job }: { job: JobAnswer }) {
  return (
    <>
      <Group justify="space-between" align="flex-start">
        <Stack gap={4} miw={0}>
          <Group gap="sm">
            <Title order={1} size="h2">
              {job.plugin}
            </Title>
            <StatusBadge status={job.status} />
            <VisuallyHidden role="status">The job’s status: {STATUS_WORDS[job.status]}</VisuallyHidden>
          </Group>
          <CopyableId id={job.id} />
        </Stack>
        <JobActions job={job} />
      </Group>
      <JobProgress job={job} />
      {job.error !== null && job.status !== 'CANCELLED' && <ErrorMessage failure={new CallFailed(job.error, 0)} />}
      <JobImage job={job} />
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Section title="What happened">
          <JobTimeline job={job} />
        </Section>
        <Section title="What was asked">
          <JobFacts job={job} />
          {Object.keys(job.options).length > 0 && <JsonBlock label="Options" value={job.options} />}
        </Section>
      </SimpleGrid>
    </>
  );
}
