import { Anchor, Stack, Text, Title } from '@mantine/core';
import { Link } from 'wouter';

import { useTitle } from '../components/useTitle';

/** What an address shows that no view has. */
export function NotFound() {
  useTitle('Nothing here');
  return (
    <Stack align="center" p="xl" gap="xs">
      <Title order={1} size="h3">
        There is nothing here
      </Title>
      <Text c="dimmed">The address may be mistyped, or from another version.</Text>
      <Anchor component={Link} to="/">
        To the start
      </Anchor>
    </Stack>
  );
}
