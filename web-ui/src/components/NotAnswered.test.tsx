import { act, screen } from '@testing-library/react';
import { beforeEach, expect, test } from 'vitest';

import { useConnection } from '../api/connection';
import { unreachable } from '../api/failure';
import { shown } from '../test/shown';
import { NotAnswered } from './NotAnswered';

beforeEach(() => useConnection.setState({ state: 'up' }));

test('while the server is gone each part only waits: the page says it once', () => {
  useConnection.setState({ state: 'down' });
  shown(<NotAnswered failure={unreachable()} onRetry={() => {}} />);
  expect(screen.getByText('Waits for the server.')).toBeVisible();
  expect(screen.queryByRole('alert')).not.toBeInTheDocument();
  act(() => useConnection.setState({ state: 'up' }));
  expect(screen.getByRole('alert')).toHaveTextContent('The server is gone');
});

test('what the server refused is told, whether or not it is there now', () => {
  useConnection.setState({ state: 'down' });
  shown(<NotAnswered failure={new Error('broken')} onRetry={() => {}} />);
  expect(screen.getByRole('alert')).toBeVisible();
});
