import { Group, Text } from '@mantine/core';
import { useMemo } from 'react';
import { JsonView } from 'react-json-view-lite';

import { Copy } from '../components/Copy';
import { bytes } from '../components/format';
import classes from './Results.module.css';

/** Beyond this a tree is of no help, and slow. */
const MOST_CHARACTERS = 2_000_000;
const MOST_OPEN = 60;

/** A result as the server sent it. */
export function JsonPanel({ result }: { result: Record<string, unknown> }) {
  const text = useMemo(() => JSON.stringify(result, null, 2), [result]);
  const isLarge = text.length > MOST_CHARACTERS;
  return (
    <div className={classes.scrolled} role="region" aria-label="Result as JSON" tabIndex={0}>
      <Group justify="space-between" px="md" pt="sm">
        <Text size="xs" c="dimmed">
          {bytes(text.length)}
        </Text>
        <Copy text={text} />
      </Group>
      {isLarge ? (
        <Text size="sm" c="dimmed" p="md">
          This result is too large to be shown as a tree. Copy or download it.
        </Text>
      ) : (
        <JsonView data={result} shouldExpandNode={isOpen} clickToExpandNode style={STYLE} />
      )}
    </div>
  );
}

function isOpen(level: number, value: unknown): boolean {
  const size = typeof value === 'object' && value !== null ? Object.keys(value).length : 0;
  return level < 4 && size <= MOST_OPEN;
}

const STYLE = {
  container: classes.json ?? '',
  basicChildStyle: classes.jsonChild ?? '',
  childFieldsContainer: classes.jsonChildren ?? '',
  label: classes.jsonName ?? '',
  clickableLabel: `${classes.jsonName ?? ''} ${classes.jsonOpens ?? ''}`,
  nullValue: classes.jsonWord ?? '',
  undefinedValue: classes.jsonWord ?? '',
  numberValue: classes.jsonNumber ?? '',
  stringValue: classes.jsonText ?? '',
  booleanValue: classes.jsonWord ?? '',
  otherValue: classes.jsonWord ?? '',
  punctuation: classes.jsonMark ?? '',
  expandIcon: classes.jsonExpand ?? '',
  collapseIcon: classes.jsonCollapse ?? '',
  collapsedContent: classes.jsonMore ?? '',
  noQuotesForStringValues: false,
  quotesForFieldNames: false,
  ariaLables: { collapseJson: 'Close', expandJson: 'Open' },
  stringifyStringValues: true,
};
