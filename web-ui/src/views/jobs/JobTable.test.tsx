import { screen, within } from '@testing-library/react';
import { expect, test } from 'vitest';

import type { JobSummary } from '../../api/schema';
import { shown } from '../../test/shown';
import { JobTable } from './JobTable';

function job(id: string, more: Partial<JobSummary> = {}): JobSummary {
  const known: Partial<JobSummary> = {
    id,
    plugin: 'ocr',
    status: 'SUCCESS',
    error: null,
    created_at: '2026-01-31T12:00:00.000000+00:00',
    started_at: '2026-01-31T12:00:13.400000+00:00',
    waiting_ms: 0.02,
    running_ms: 2_350,
    attempt: 1,
    blocked: 0,
    progress: null,
    not_before: null,
  };
  return { ...known, ...more } as JobSummary;
}

test('jobs of one moment are told apart: what their ids end with is never cut off', () => {
  const ids = ['01a21433083d7133b476b66e8022131d', '01a21433083d7133b476b66d8161adca'];
  shown(<JobTable jobs={ids.map((id) => job(id))} label="Jobs" />);
  for (const id of ids) {
    expect(screen.getByRole('link', { name: id })).toHaveAttribute('href', `/jobs/${id}`);
    expect(screen.getByText(id.slice(-8))).toBeVisible();
  }
});

test('a job waited until it was claimed, and then for a worker', () => {
  shown(<JobTable jobs={[job('a'.repeat(32))]} label="Jobs" />);
  const cells = within(screen.getAllByRole('row')[1] as HTMLElement).getAllByRole('cell');
  expect(cells.map((cell) => cell.textContent)).toEqual(expect.arrayContaining(['13.4 s', '2.35 s']));
});

test('a job that rests before another try says which comes next', () => {
  shown(<JobTable jobs={[job('c'.repeat(32), { status: 'PENDING', attempt: 1 })]} label="Jobs" />);
  expect(screen.getByText('attempt 2 comes next')).toBeVisible();
});

test('a job that runs says how long so far', () => {
  const started_at = new Date(Date.now() - 42_000).toISOString();
  shown(<JobTable jobs={[job('d'.repeat(32), { status: 'RUNNING', started_at, running_ms: null })]} label="Jobs" />);
  expect(screen.getByText(/^4\d s$/)).toBeVisible();
});

test('a word that a plugin raised is told with its kind', () => {
  const details = { code: 'plugin_failed', retryable: false, exception: 'KeyError' };
  const error = { type: 'ExecutionError', message: "'what'", details, plugin: 'ocr', timestamp: '' } as const;
  shown(<JobTable jobs={[job('b'.repeat(32), { status: 'FAILED', error })]} label="Jobs" />);
  expect(screen.getByText("plugin_failed: KeyError: 'what'")).toBeVisible();
});
