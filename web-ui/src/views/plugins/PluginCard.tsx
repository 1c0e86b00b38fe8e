import { Anchor, Group, Paper, Stack, Text, Title } from '@mantine/core';
import { Link } from 'wouter';

import type { PluginAnswer } from '../../api/schema';
import { Changes } from './Changes';
import { Figures } from './Figures';
import { Held } from './Held';
import { Latency } from './Latency';
import { StateBadge } from './StateBadge';
import { isolationOf, permissionsInWords, sizeInWords } from './words';

/** A plugin at a glance. Its name leads to the rest. */
export function PluginCard({ plugin }: { plugin: PluginAnswer }) {
  const isolation = isolationOf(plugin);
  return (
    <Paper component="article" withBorder p="md" aria-label={plugin.name} bg="var(--page-raised)">
      <Stack gap="sm" h="100%">
        <Group justify="space-between" wrap="nowrap" align="flex-start" gap="xs">
          <Group gap={6} align="baseline">
            <Title order={2} size="h5" style={{ overflowWrap: 'anywhere' }}>
              <Anchor component={Link} to={`/plugins/${encodeURIComponent(plugin.name)}`} inherit>
                {plugin.name}
              </Anchor>
            </Title>
            <Text size="xs" c="dimmed">
              {plugin.version}
            </Text>
          </Group>
          <StateBadge plugin={plugin} />
        </Group>
        <Text size="sm" lineClamp={2}>
          {plugin.description || 'Its author says nothing of it.'}
        </Text>
        <Held plugin={plugin} brief />
        <Figures plugin={plugin} />
        <Latency name={plugin.name} />
        <Stack gap="xs" mt="auto">
          <Text size="xs" c="dimmed">
            <span title={isolation.meaning}>{isolation.word}</span>, {permissionsInWords(plugin)} ·{' '}
            {sizeInWords(plugin.limits)}
          </Text>
          <Changes plugin={plugin} />
        </Stack>
      </Stack>
    </Paper>
  );
}
