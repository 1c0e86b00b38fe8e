import { Button, Group } from '@mantine/core';

interface Props {
  /** What each button does; undefined where there is no such page. */
  onNewest: (() => void) | undefined;
  onNewer: (() => void) | undefined;
  onOlder: (() => void) | undefined;
}

/** Turns the pages of a list, newest first; nothing where there is but one. */
export function Pager({ onNewest, onNewer, onOlder }: Props) {
  const buttons = { Newest: onNewest, Newer: onNewer, Older: onOlder };
  if (Object.values(buttons).every((turn) => turn === undefined)) return null;
  return (
    <Group justify="center" component="nav" aria-label="Pages">
      {Object.entries(buttons).map(([name, turn]) => (
        <Button key={name} variant="default" disabled={turn === undefined} onClick={turn}>
          {name}
        </Button>
      ))}
    </Group>
  );
}
