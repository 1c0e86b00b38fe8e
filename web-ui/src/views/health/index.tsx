import { Skeleton, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { NotAnswered } from '../../components/NotAnswered';

import { duration } from '../../components/format';
import { View } from '../../components/View';
import { Charts } from './Charts';
import { Readiness } from './Readiness';
import { historyQuery } from './queries';

/** What an operator keeps open: whether the server is ready, and its figures of the last hour. */
export default function HealthView() {
  const history = useQuery(historyQuery);
  const runs_s = history.data && (history.dataUpdatedAt - new Date(history.data.since).getTime()) / 1_000;
  return (
    <View title="Health">
      <Stack gap={2}>
        <Title order={1} size="h2">
          Health
        </Title>
        <Text size="sm" c="dimmed" mih="1.5em">
          {runs_s !== undefined && (
            <>This server process runs for {duration(runs_s)}; its figures are kept in memory and begin anew with it.</>
          )}
        </Text>
      </Stack>
      <Readiness />
      {history.isError && <NotAnswered failure={history.error} onRetry={() => void history.refetch()} />}
      {history.isPending && <Skeleton height="32rem" aria-label="Loading the figures" role="status" />}
      {history.data !== undefined && <Charts history={history.data} />}
    </View>
  );
}
