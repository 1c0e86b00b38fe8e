import { MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { render } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { HttpResponse } from 'msw';
import { setupServer } from 'msw/node';
import type { ReactNode } from 'react';
import { afterAll, afterEach, beforeAll } from 'vitest';

import { makeQueryClient } from '../api/queries';
import type { Error as Envelope } from '../api/schema';
import { theme } from '../theme';

/** Show a component as the page does, and return a person who uses it. */
export function shown(what: ReactNode) {
  const queries = makeQueryClient();
  queries.setDefaultOptions({ queries: { ...queries.getDefaultOptions().queries, retryDelay: 1 } });
  render(
    <MantineProvider theme={theme} env="test">
      <QueryClientProvider client={queries}>{what}</QueryClientProvider>
    </MantineProvider>,
  );
  return userEvent.setup();
}

/** The API for the tests of a file; each test says what it answers, and an unexpected call fails. */
export function api() {
  const server = setupServer();
  beforeAll(() => server.listen({ onUnhandledRequest: 'error' }));
  afterEach(() => server.resetHandlers());
  afterAll(() => server.close());
  return server;
}

/** The one error answer of every route. */
export function refusal(status: number, code: string, message: string): HttpResponse<{ detail: Envelope }> {
  const details = { code, retryable: false };
  const detail: Envelope = { type: 'PluginError', message, details, plugin: null, timestamp: '2026-01-31T12:00:00Z' };
  return HttpResponse.json({ detail }, { status });
}
