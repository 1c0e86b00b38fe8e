import { Group, SimpleGrid, Skeleton, Stack, Text, TextInput, Title } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { NotAnswered } from '../../components/NotAnswered';

import { View } from '../../components/View';
import { PluginCard } from './PluginCard';
import { pluginsQuery, whileOpen } from './queries';

/** All plugins as cards. */
export function PluginList() {
  const { data, error, isError, isPending, refetch } = useQuery({ ...pluginsQuery, ...whileOpen });
  const [wanted, setWanted] = useState('');
  const shown = data?.filter(({ name, description }) =>
    `${name} ${description}`.toLowerCase().includes(wanted.toLowerCase()),
  );
  return (
    <View title="Plugins">
      <Group justify="space-between" align="flex-end">
        <Stack gap={2}>
          <Title order={1} size="h2">
            Plugins
          </Title>
          <Text size="sm" c="dimmed" mih="1.5em">
            {data !== undefined && 'Figures are of this server process; percentiles of the last 1,000 calls.'}
          </Text>
        </Stack>
        <TextInput
          type="search"
          aria-label="Search the plugins"
          placeholder="Search"
          leftSection={<IconSearch size={16} aria-hidden />}
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
          w={{ base: '100%', xs: '16rem' }}
        />
      </Group>
      {isError && <NotAnswered failure={error} onRetry={() => void refetch()} />}
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }} aria-busy={isPending}>
        {isPending && Array.from({ length: 6 }, (_, at) => <Skeleton key={at} height="21rem" />)}
        {shown?.map((plugin) => (
          <PluginCard key={plugin.name} plugin={plugin} />
        ))}
      </SimpleGrid>
      {data?.length === 0 && <NoPlugins />}
      {data !== undefined && data.length > 0 && shown?.length === 0 && (
        <Text ta="center" c="dimmed" py="xl" role="status">
          No plugin has “{wanted}” in its name or description.
        </Text>
      )}
    </View>
  );
}

function NoPlugins() {
  return (
    <Stack align="center" py="xl" gap={4}>
      <Text fw={600}>There are no plugins</Text>
      <Text size="sm" c="dimmed" ta="center" maw="36rem">
        Put plugin files into the folder that --plugins-dir names and start the server again, or install one with
        sightgate plugins install.
      </Text>
    </Stack>
  );
}
