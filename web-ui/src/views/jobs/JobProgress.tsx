import { Group, Progress, Stack, Text } from '@mantine/core';

import type { JobAnswer } from '../../api/schema';
import { printable } from '../../components/printable';
import { shareOf } from '../../components/progress';

/** How far a running job says that it is. */
export function JobProgress({ job }: { job: JobAnswer }) {
  const { progress, status } = job;
  if (status !== 'RUNNING') return null;
  const share = progress === null ? null : shareOf(progress);
  return (
    <Stack gap={4}>
      <Progress
        value={share ?? 100}
        animated={share === null}
        striped={share === null}
        aria-label={share === null ? 'It runs, and does not say how far it is' : 'Progress'}
      />
      <Group justify="space-between">
        <Text size="sm">{printable(progress?.message ?? '') || 'It runs.'}</Text>
        <Text size="sm" c="dimmed">
          {share !== null && `${Math.round(share)} %`}
        </Text>
      </Group>
    </Stack>
  );
}
