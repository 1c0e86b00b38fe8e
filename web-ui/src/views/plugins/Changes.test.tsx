import { screen, waitFor } from '@testing-library/react';
import { HttpResponse, http } from 'msw';
import { expect, test } from 'vitest';

import type { PluginAnswer } from '../../api/schema';
import { api, refusal, shown } from '../../test/shown';
import { Changes } from './Changes';

const server = api();
const plugin = { name: 'ocr', enabled: true, state: 'IDLE' } as PluginAnswer;

test('nothing is changed before the question is answered', async () => {
  const asked: string[] = [];
  server.use(
    http.post('/v1/plugins/:name/:change', ({ params }) => {
      asked.push(`${String(params.name)} ${String(params.change)}`);
      return HttpResponse.json({ ...plugin, enabled: false });
    }),
  );
  const person = shown(<Changes plugin={plugin} />);
  await person.click(screen.getByRole('button', { name: 'Disable ocr' }));
  expect(await screen.findByRole('dialog', { name: 'Disable ocr?' })).toHaveTextContent('after a restart too');
  await person.click(screen.getByRole('button', { name: 'Leave it as it is' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).not.toBeInTheDocument());
  expect(asked).toEqual([]);
  await person.click(screen.getByRole('button', { name: 'Reload ocr' }));
  await person.click(await screen.findByRole('button', { name: 'Reload' }));
  await waitFor(() => expect(asked).toEqual(['ocr reload']));
  await waitFor(() => expect(screen.queryByRole('dialog')).not.toBeInTheDocument());
});

test('a refused change says why, and the question stays', async () => {
  server.use(
    http.post('/v1/plugins/ocr/reload', () => refusal(503, 'plugin_unavailable', 'reload failed, nothing has changed')),
  );
  const person = shown(<Changes plugin={plugin} />);
  await person.click(screen.getByRole('button', { name: 'Reload ocr' }));
  await person.click(await screen.findByRole('button', { name: 'Reload' }));
  expect(await screen.findByRole('alert')).toHaveTextContent('Reload failed, nothing has changed.');
  expect(screen.getByRole('dialog')).toBeVisible();
});

test('a plugin that is switched off can be switched on', () => {
  shown(<Changes plugin={{ ...plugin, enabled: false }} />);
  expect(screen.getByRole('button', { name: 'Enable ocr' })).toBeVisible();
  expect(screen.queryByRole('button', { name: 'Disable ocr' })).not.toBeInTheDocument();
});

test('a plugin that cannot run is not offered to be tried', () => {
  shown(<Changes plugin={{ ...plugin, state: 'UNAVAILABLE' }} />);
  expect(screen.queryByRole('link', { name: 'Try it: ocr' })).not.toBeInTheDocument();
});

test('it leads to Analyze with the plugin chosen', () => {
  shown(<Changes plugin={{ ...plugin, name: 'a b' }} />);
  expect(screen.getByRole('link', { name: 'Try it: a b' })).toHaveAttribute('href', '/analyze?plugin=a%20b');
});
