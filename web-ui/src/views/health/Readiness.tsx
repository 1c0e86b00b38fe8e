import { Alert, Anchor, Group, List, Paper, Skeleton, Text } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { NotAnswered } from '../../components/NotAnswered';

import { readyQuery } from './queries';

/** Whether calls can be served, and which plugins cannot be called. */
export function Readiness() {
  const { data, isError, error, refetch } = useQuery(readyQuery);
  if (isError) return <NotAnswered failure={error} onRetry={() => void refetch()} />;
  if (data === undefined)
    return <Skeleton height="3.6rem" role="status" aria-label="Asking whether the server is ready" />;
  if (!data.ready) {
    return (
      <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title="The server is not ready" role="alert">
        <List size="sm">
          {data.reasons.map((reason) => (
            <List.Item key={reason}>{reason}</List.Item>
          ))}
        </List>
      </Alert>
    );
  }
  const names = Object.keys(data.plugins);
  const unusable = names.filter((name) => data.plugins[name] !== true);
  return (
    <Paper withBorder p="sm" px="md" role="status">
      <Group gap="sm" wrap="nowrap" align="flex-start">
        <Text c="teal" component="span" lh={1}>
          <IconCircleCheck aria-hidden />
        </Text>
        <Text size="sm">
          <strong>Ready.</strong> {names.length - unusable.length} of {names.length} plugins can be called
          {unusable.length === 0 ? '.' : '; these cannot: '}
          {unusable.map((name, index) => (
            <span key={name}>
              {index > 0 && ', '}
              <Anchor component={Link} to={`/plugins/${encodeURIComponent(name)}`} size="sm" underline="always">
                {name}
              </Anchor>
            </span>
          ))}
        </Text>
      </Group>
    </Paper>
  );
}
