import { Anchor, Code, Group, SimpleGrid, Skeleton, Stack, Text, Title } from '@mantine/core';
import { IconArrowLeft } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';

import type { PluginAnswer } from '../../api/schema';
import { Facts } from '../../components/Facts';
import { NotAnswered } from '../../components/NotAnswered';
import { Section } from '../../components/Section';
import { View } from '../../components/View';
import { Changes } from './Changes';
import { FailedJobs, WorkerEnds } from './Failures';
import { Figures } from './Figures';
import { Held } from './Held';
import { LastHour } from './LastHour';
import { Limits, Permissions } from './Rights';
import { StateBadge } from './StateBadge';
import { pluginQuery } from './queries';

/** All that is known of one plugin. */
export function PluginPage({ name }: { name: string }) {
  const { data, error, isPending, refetch } = useQuery(pluginQuery(name));
  return (
    <View title={name}>
      <Anchor component={Link} to="/plugins" size="sm" w="fit-content">
        <Group gap={4}>
          <IconArrowLeft size={16} aria-hidden /> All plugins
        </Group>
      </Anchor>
      {error !== null && <NotAnswered failure={error} onRetry={() => void refetch()} />}
      {isPending && <Skeleton height="30rem" role="status" aria-label={`Loading ${name}`} />}
      {data !== undefined && <Plugin plugin={data} />}
    </View>
  );
}

function Plugin({ plugin }: { plugin: PluginAnswer }) {
  return (
    <>
      <Group justify="space-between" align="flex-start">
        <Stack gap={4}>
          <Group gap="sm">
            <Title order={1} size="h2">
              {plugin.name}
            </Title>
            <StateBadge plugin={plugin} />
          </Group>
          <Text size="sm">{plugin.description || 'Its author says nothing of it.'}</Text>
        </Stack>
        <Changes plugin={plugin} />
      </Group>
      <Held plugin={plugin} />
      <Section title="Since the server’s start">
        <Figures plugin={plugin} />
      </Section>
      <LastHour name={plugin.name} />
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Section title="Limits">
          <Limits plugin={plugin} />
        </Section>
        <Section title="Permissions">
          <Permissions plugin={plugin} />
        </Section>
      </SimpleGrid>
      <Section title="Crashes, timeouts and exhausted memory">
        <WorkerEnds plugin={plugin} />
      </Section>
      <Section title="Jobs that failed last">
        <FailedJobs name={plugin.name} />
      </Section>
      <Section title="Where it comes from">
        <Facts
          facts={[
            ['version', plugin.version || '–'],
            ['origin', plugin.origin, 'wide'],
            ['place', plugin.place || '–', 'wide'],
          ]}
        />
        <Schema title="What options it takes" schema={plugin.options_schema} />
        <Schema title="What it answers" schema={plugin.result_schema} />
      </Section>
    </>
  );
}

function Schema({ title, schema }: { title: string; schema: Record<string, unknown> | null }) {
  if (schema === null) return null;
  return (
    <details>
      <Text component="summary" size="sm" style={{ cursor: 'pointer' }}>
        {title}
      </Text>
      <Code block mt="xs" mah="24rem" tabIndex={0} style={{ overflow: 'auto' }}>
        {JSON.stringify(schema, null, 2)}
      </Code>
    </details>
  );
}
