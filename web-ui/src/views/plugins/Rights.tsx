import { Badge, Group, List, Stack, Table, Text } from '@mantine/core';

import type { PluginAnswer } from '../../api/schema';
import classes from './Rights.module.css';
import { TRIED, isolationOf, limitName, limitValue, permissionValue } from './words';

/** What a plugin may use; where the operator gives it less than it declares, both. */
export function Limits({ plugin }: { plugin: PluginAnswer }) {
  const declared = (plugin.declared.limits ?? {}) as Record<string, number>;
  return (
    <Table fz="sm" verticalSpacing={4} aria-label="Limits">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>limit</Table.Th>
          <Table.Th>in force</Table.Th>
          <Table.Th>declared</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {Object.entries(plugin.limits).map(([name, value]) => {
          const asked = declared[name] ?? value;
          return (
            <Table.Tr key={name}>
              <Table.Td>{limitName(name)}</Table.Td>
              <Table.Td>{limitValue(name, value)}</Table.Td>
              <Table.Td {...(asked === value && { c: 'dimmed' })}>
                {limitValue(name, asked)}
                {asked !== value && ' (cut by the operator)'}
              </Table.Td>
            </Table.Tr>
          );
        })}
      </Table.Tbody>
    </Table>
  );
}

/** What a plugin asked for, what it was granted, and what its worker really could not do. */
export function Permissions({ plugin }: { plugin: PluginAnswer }) {
  const { permissions, granted, isolation } = plugin;
  const level = isolationOf(plugin);
  const missing = Array.isArray(isolation.missing) ? (isolation.missing as string[]) : [];
  const gpu = permissions.gpu === undefined ? [] : (['gpu'] as const);
  return (
    <Stack gap="sm">
      <Group gap="xs">
        <Badge variant="dot" color={level.color} tt="none">
          {level.word}
        </Badge>
        <Text size="sm">{level.meaning}</Text>
      </Group>
      <Table fz="sm" verticalSpacing={4} className={classes.permissions} aria-label="Permissions">
        <Table.Thead>
          <Table.Tr>
            <Table.Th>may it…</Table.Th>
            <Table.Th>asked for</Table.Th>
            <Table.Th>granted</Table.Th>
            <Table.Th>when tried</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {TRIED.map(([fact, permission, words]) => (
            <Table.Tr key={fact}>
              <Table.Td>{words}</Table.Td>
              <Table.Td data-name="asked for">
                {permission === '' ? '–' : permissionValue(permissions[permission])}
              </Table.Td>
              <Table.Td data-name="granted">{permission === '' ? '–' : permissionValue(granted[permission])}</Table.Td>
              <Table.Td data-name="when tried">{triedValue(isolation[fact])}</Table.Td>
            </Table.Tr>
          ))}
          {gpu.map((kind) => (
            <Table.Tr key={kind}>
              <Table.Td>Use the GPU</Table.Td>
              <Table.Td data-name="asked for">{permissionValue(permissions[kind])}</Table.Td>
              <Table.Td data-name="granted">{permissionValue(granted[kind])}</Table.Td>
              <Table.Td data-name="when tried">–</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      <Text size="xs" c="dimmed">
        Memory is held by {isolation.memory === 'cgroup' ? 'a control group of the kernel' : 'a watch in the server'}.
      </Text>
      {missing.length > 0 && (
        <List size="sm">
          {missing.map((what) => (
            <List.Item key={what}>{what}</List.Item>
          ))}
        </List>
      )}
    </Stack>
  );
}

function triedValue(found: unknown) {
  if (typeof found !== 'string') return <Text size="sm">not tried</Text>;
  return (
    <Badge size="sm" variant="light" color={found === 'denied' ? 'teal' : 'orange'} tt="none">
      {found === 'denied' ? 'denied' : 'was possible'}
    </Badge>
  );
}
