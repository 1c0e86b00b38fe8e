import { Badge } from '@mantine/core';

import type { PluginAnswer } from '../../api/schema';

type State = PluginAnswer['state'];

const WORDS: Record<State, string> = {
  IDLE: 'ready',
  RUNNING: 'running',
  SUCCESS: 'ready',
  ERROR: 'ready, last call failed',
  FAILED: 'broken',
  UNAVAILABLE: 'cannot run',
};
const COLORS: Record<State, string> = {
  IDLE: 'teal',
  RUNNING: 'cyan',
  SUCCESS: 'teal',
  ERROR: 'orange',
  FAILED: 'red',
  UNAVAILABLE: 'gray',
};

/** A plugin's state in a word or two; the server's own word is the title. */
export function StateBadge({ plugin }: { plugin: PluginAnswer }) {
  const { state, enabled } = plugin;
  return (
    <Badge color={enabled ? COLORS[state] : 'gray'} variant="light" title={state} tt="none" flex="none">
      {enabled ? WORDS[state] : 'switched off'}
    </Badge>
  );
}
