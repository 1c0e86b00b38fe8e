import { Anchor, Badge, Code, Group, List, Skeleton, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';

import type { Failure, PluginAnswer } from '../../api/schema';
import { NotAnswered } from '../../components/NotAnswered';
import { moment } from '../../components/format';
import { printable } from '../../components/printable';
import { said } from '../../components/said';
import { failedJobsQuery } from './queries';

/** The last ends of a plugin's workers during a call, with what they left, and the inputs that are refused now. */
export function WorkerEnds({ plugin }: { plugin: PluginAnswer }) {
  const { failures, health } = plugin;
  return (
    <Stack gap="sm">
      {failures.length === 0 && (
        <Text size="sm" c="dimmed">
          None of its workers has ended during a call since the server’s start.
        </Text>
      )}
      {failures.map((failure, at) => (
        <Evidence key={`${failure.at} ${at}`} failure={failure} />
      ))}
      {health.quarantined_inputs.length > 0 && (
        <div>
          <Text size="sm">Refused inputs, by the SHA-256 of the image. A reload forgets them.</Text>
          <List size="sm" mt={4}>
            {health.quarantined_inputs.map((digest) => (
              <List.Item key={digest}>
                <Code style={{ overflowWrap: 'anywhere' }}>{digest}</Code>
              </List.Item>
            ))}
          </List>
        </div>
      )}
    </Stack>
  );
}

function Evidence({ failure }: { failure: Failure }) {
  const details = Object.entries(failure.details).map(([name, value]) => `${name}: ${printable(String(value))}`);
  const ran = Object.entries(failure.versions)
    .filter(([, version]) => version !== '')
    .map(([what, version]) => `${what} ${version}`)
    .join(', ');
  return (
    <details>
      <Text component="summary" size="sm" style={{ cursor: 'pointer' }}>
        <Badge size="sm" color="red" variant="light" tt="none" mr="xs">
          {failure.code}
        </Badge>
        {moment(failure.at)}
        {details.length > 0 && `, ${details.join(', ')}`}
      </Text>
      <Stack gap="xs" mt="xs">
        <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
          image {failure.image_sha256}
          {ran !== '' && `, ${ran}`}
        </Text>
        <Code block mah="16rem" tabIndex={0} style={{ overflow: 'auto' }}>
          {printable(failure.output) || 'It printed nothing.'}
        </Code>
      </Stack>
    </details>
  );
}

/** The newest jobs of a plugin that failed, for whatever reason. */
export function FailedJobs({ name }: { name: string }) {
  const { data, error, refetch } = useQuery(failedJobsQuery(name));
  if (error !== null) return <NotAnswered failure={error} onRetry={() => void refetch()} />;
  if (data === undefined) return <Skeleton height="3rem" />;
  if (data.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        No job of it has failed.
      </Text>
    );
  }
  return (
    <Stack gap="xs">
      {data.map((job) => (
        <Group key={job.id} gap="xs" wrap="nowrap" align="baseline">
          <Text size="xs" c="dimmed" flex="none">
            {moment(job.created_at)}
          </Text>
          <Anchor component={Link} to={`/jobs/${job.id}`} size="sm" lineClamp={1}>
            {(job.error && said(job.error)) || job.id}
          </Anchor>
        </Group>
      ))}
      <Anchor component={Link} to={`/jobs?plugin=${encodeURIComponent(name)}&status=FAILED`} size="sm">
        All of its failed jobs
      </Anchor>
    </Stack>
  );
}
