import { Alert, Button, Code, Group, Stack, Text } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import type { ReactNode } from 'react';

import { asFailure } from '../api/failure';
import { askForKey } from '../api/key';
import { adviceOn } from './advice';
import { said } from './said';

interface Props {
  /** What was thrown, or a failure's envelope in a CallFailed. */
  failure: unknown;
  /** What it is about, such as the plugin's name. */
  subject?: string | undefined;
  /** Offers to try again, unless the same is refused for ever. */
  onRetry?: (() => void) | undefined;
  /** More to do, as buttons. */
  children?: ReactNode;
}

/** A failure in words a person understands, what to do about it, and what the server said exactly. */
export function ErrorMessage({ failure, subject, onRetry, children }: Props) {
  const failed = asFailure(failure);
  const { title, doThis, isFinal = false } = adviceOn(failed);
  const again = isFinal ? undefined : onRetry;
  return (
    <Alert
      color="red"
      variant="light"
      icon={<IconAlertTriangle aria-hidden />}
      title={subject === undefined ? title : `${subject}: ${title}`}
      role="alert"
    >
      <Stack gap="xs">
        <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
          {sentence(said(failed.envelope))}
        </Text>
        <Text size="sm">{doThis}</Text>
        {(again !== undefined || failed.status === 401 || children !== undefined) && (
          <Group gap="xs">
            {failed.status === 401 && (
              <Button size="xs" onClick={askForKey}>
                Enter the key
              </Button>
            )}
            {again !== undefined && (
              <Button size="xs" variant="default" onClick={again}>
                Try again
              </Button>
            )}
            {children}
          </Group>
        )}
        <details>
          <Text component="summary" size="xs" style={{ cursor: 'pointer' }}>
            What the server said exactly
          </Text>
          <Code block mt="xs" mah="16rem" tabIndex={0} style={{ overflow: 'auto' }}>
            {JSON.stringify(failed.envelope, null, 2)}
          </Code>
        </details>
      </Stack>
    </Alert>
  );
}

function sentence(message: string): string {
  const begun = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}
