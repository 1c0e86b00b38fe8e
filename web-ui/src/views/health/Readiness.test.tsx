import { screen } from '@testing-library/react';
import { HttpResponse, http } from 'msw';
import { expect, test } from 'vitest';

import { api, refusal, shown } from '../../test/shown';
import { Readiness } from './Readiness';

const server = api();

test('a ready server says how many plugins can be called, and leads to those that cannot', async () => {
  const answer = { ready: true, reasons: [], plugins: { faces: true, objects: false, ocr: true } };
  server.use(http.get('/health/ready', () => HttpResponse.json(answer)));
  shown(<Readiness />);
  expect(await screen.findByText(/2 of 3 plugins can be called/)).toBeVisible();
  expect(screen.getByRole('link', { name: 'objects' })).toHaveAttribute('href', '/plugins/objects');
});

test('an unready server’s 503 is no failure of the page: its reasons are shown', async () => {
  const answer = { ready: false, reasons: ['the job store: the disk is full'], plugins: {} };
  server.use(http.get('/health/ready', () => HttpResponse.json(answer, { status: 503 })));
  shown(<Readiness />);
  const alert = await screen.findByRole('alert');
  expect(alert).toHaveTextContent('The server is not ready');
  expect(alert).toHaveTextContent('the disk is full');
});

test('an answer that is not readiness is shown as a failure', async () => {
  server.use(http.get('/health/ready', () => refusal(403, 'forbidden', 'not here')));
  shown(<Readiness />);
  expect(await screen.findByRole('alert')).toHaveTextContent('This is not allowed');
});
