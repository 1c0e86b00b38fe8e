import { Button, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { ErrorBoundary } from 'react-error-boundary';

import { asFailure } from '../api/failure';

/** Keeps a fault in one view from taking the page with it. */
export function FailedView({ children }: { children: ReactNode }) {
  return (
    <ErrorBoundary
      fallbackRender={({ error, resetErrorBoundary }) => (
        <Stack align="center" p="xl" gap="sm" role="alert">
          <Title order={1} size="h3">
            This view has a fault
          </Title>
          <Text c="dimmed" ta="center" maw="40rem">
            It is the page&rsquo;s own, not your image&rsquo;s. The other views work. The browser said:{' '}
            {asFailure(error).message}
          </Text>
          <Button onClick={resetErrorBoundary}>Show it anew</Button>
          <Button variant="subtle" onClick={() => window.location.reload()}>
            Load the page anew
          </Button>
        </Stack>
      )}
    >
      {children}
    </ErrorBoundary>
  );
}
