import { Badge } from '@mantine/core';
import {
  IconCircleCheck,
  IconCircleX,
  IconClockHour4,
  IconPlayerPlayFilled,
  IconPlayerStopFilled,
} from '@tabler/icons-react';

import type { Status } from './filter';

export const STATUS_WORDS: Record<Status, string> = {
  PENDING: 'waiting',
  RUNNING: 'running',
  SUCCESS: 'succeeded',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
};
const COLORS: Record<Status, string> = {
  PENDING: 'gray',
  RUNNING: 'cyan',
  SUCCESS: 'teal',
  FAILED: 'red',
  CANCELLED: 'gray',
};
const ICONS = {
  PENDING: IconClockHour4,
  RUNNING: IconPlayerPlayFilled,
  SUCCESS: IconCircleCheck,
  FAILED: IconCircleX,
  CANCELLED: IconPlayerStopFilled,
};

/** A job's status: a word, a sign and a colour. */
export function StatusBadge({ status }: { status: Status }) {
  const Icon = ICONS[status];
  return (
    <Badge
      color={COLORS[status]}
      variant="light"
      tt="none"
      title={status}
      flex="none"
      leftSection={<Icon size={13} aria-hidden />}
    >
      {STATUS_WORDS[status]}
    </Badge>
  );
}
