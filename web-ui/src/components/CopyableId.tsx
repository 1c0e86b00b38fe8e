import { Group, Text } from '@mantine/core';

import { Copy } from './Copy';

/** An id to be read and copied. */
export function CopyableId({ id }: { id: string }) {
  return (
    <Group gap="xs">
      <Text size="sm" c="dimmed" ff="monospace" style={{ overflowWrap: 'anywhere' }}>
        {id}
      </Text>
      <Copy text={id} what="the id" size="compact-xs" variant="subtle" />
    </Group>
  );
}
