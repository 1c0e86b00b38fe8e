import { screen } from '@testing-library/react';
import { http } from 'msw';
import { expect, test } from 'vitest';

import type { JobAnswer } from '../../api/schema';
import { api, refusal, shown } from '../../test/shown';
import { JobActions } from './JobActions';

const server = api();
const kept = { role: 'image', media_type: 'image/png', size: 78, sha256: '' };
const ended = { id: 'a1', status: 'SUCCESS', inputs: [kept] } as unknown as JobAnswer;

test('a job that cannot be run again says why', async () => {
  server.use(http.post('/v1/jobs/a1/requeue', () => refusal(503, 'plugin_disabled', 'disabled by the operator')));
  const person = shown(<JobActions job={ended} />);
  await person.click(screen.getByRole('button', { name: 'Run again' }));
  expect(await screen.findByRole('dialog', { name: 'It cannot be run again' })).toHaveTextContent(
    'The plugin is switched off',
  );
});

test('a job without its image is not offered to be run again', () => {
  shown(<JobActions job={{ ...ended, inputs: [] }} />);
  expect(screen.queryByRole('button')).not.toBeInTheDocument();
});
