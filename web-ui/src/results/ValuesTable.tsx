import { Table, Text } from '@mantine/core';
import { useMemo } from 'react';

import classes from './Results.module.css';
import { valuesOf } from './values';

/** What a result says beside what is drawn, as names and values. */
export function ValuesTable({ result }: { result: unknown }) {
  const { values, more } = useMemo(() => valuesOf(result), [result]);
  if (values.length === 0) {
    return (
      <Text size="sm" c="dimmed" p="md">
        The result has no further values.
      </Text>
    );
  }
  return (
    <div className={classes.scrolled} tabIndex={0} role="region" aria-label="Values">
      <Table fz="sm" withRowBorders={false} striped>
        <Table.Tbody>
          {values.map(({ name, value }) => (
            <Table.Tr key={name}>
              <Table.Th scope="row" fw={500} c="dimmed" className={classes.valueName}>
                {name}
              </Table.Th>
              <Table.Td className={classes.value}>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
      {more && (
        <Text size="sm" c="dimmed" p="md">
          There is more; the JSON holds all of it.
        </Text>
      )}
    </div>
  );
}
