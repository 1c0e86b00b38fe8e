import { Text } from '@mantine/core';

import { useConnection } from '../api/connection';
import { asFailure } from '../api/failure';
import { ErrorMessage } from './ErrorMessage';

interface Props {
  failure: unknown;
  onRetry: () => void;
}

/**
 * Why something cannot be shown. It is asked for again only where that can help: what is not there stays so. While the
 * server is gone the page says so once, at its top, and asks by itself when it is back.
 */
export function NotAnswered({ failure, onRetry }: Props) {
  const isDown = useConnection(({ state }) => state === 'down');
  const failed = asFailure(failure);
  if (isDown && failed.code === 'server_unreachable') {
    return (
      <Text size="sm" c="dimmed">
        Waits for the server.
      </Text>
    );
  }
  return <ErrorMessage failure={failed} onRetry={failed.isRetryable ? onRetry : undefined} />;
}
