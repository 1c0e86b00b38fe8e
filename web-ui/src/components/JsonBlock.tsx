import { Code, Group, Stack, Text } from '@mantine/core';

import { Copy } from './Copy';

const MOST_CHARACTERS = 100_000;

/** Plain JSON to read and to copy. What is very long is cut in what is shown, not in what is copied. */
export function JsonBlock({ label, value }: { label: string; value: unknown }) {
  const text = JSON.stringify(value, null, 2);
  return (
    <Stack gap={6}>
      <Group justify="space-between">
        <Text size="xs" c="dimmed">
          {label}
        </Text>
        <Copy text={text} size="compact-xs" />
      </Group>
      <Code block mah="24rem" tabIndex={0} role="region" aria-label={label} style={{ overflow: 'auto' }}>
        {text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}\n… ${text.length} characters in all` : text}
      </Code>
    </Stack>
  );
}
