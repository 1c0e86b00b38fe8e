import { File } from 'node:buffer';

import { act, fireEvent, screen, waitFor, within } from '@testing-library/react';
import { HttpResponse, http } from 'msw';
import { beforeEach, expect, test } from 'vitest';

import { useConnection } from '../../api/connection';
import type { AnalyzeAnswer, PluginAnswer } from '../../api/schema';
import { choose, removeAllImages, setValues } from '../../runs/store';
import { api, refusal, shown } from '../../test/shown';
import AnalyzeView from '.';

const server = api();

const PNG = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0]);

const BOXES = plugin('boxes', {
  type: 'object',
  properties: { least: { type: 'number', minimum: 0, maximum: 1, default: 0, title: 'Least' } },
});
const COUNTS = plugin('counts', null);

function plugin(name: string, options_schema: Record<string, unknown> | null): PluginAnswer {
  const known: Partial<PluginAnswer> = {
    name,
    description: `What ${name} does.`,
    state: 'IDLE',
    options_schema,
  };
  return known as PluginAnswer;
}

function answer(name: string, result: Record<string, unknown>): AnalyzeAnswer {
  return { result, plugin: name, job_id: 'job-1', waiting_ms: 0, running_ms: 12 };
}

const BOX = { type: 'box', x: 1, y: 2, width: 3, height: 4, label: 'cat', score: 0.9 };

/** The server's plugins, which a test may change while the view is open. */
function offering(...plugins: PluginAnswer[]) {
  const offered = { plugins };
  server.use(
    http.get('/v1/plugins', () => HttpResponse.json(offered)),
    http.get('/v1/server', () =>
      HttpResponse.json({ version: '1', max_body_bytes: 50 * 1024 * 1024, max_pixels: 1e8 }),
    ),
  );
  return offered;
}

function analyzing(reply: (request: Request) => Response | Promise<Response>) {
  const asked: Request[] = [];
  server.use(
    http.post('/v1/analyze', ({ request }) => {
      asked.push(request.clone());
      return reply(request);
    }),
  );
  return asked;
}

async function opened() {
  const person = shown(<AnalyzeView />);
  await screen.findByRole('checkbox', { name: 'boxes' });
  return person;
}

function image(name = 'cat.png') {
  return new File([PNG], name, { type: 'image/png' }) as unknown as globalThis.File;
}

async function addImage(name?: string): Promise<void> {
  fireEvent.change(screen.getByLabelText('Image files'), { target: { files: [image(name)] } });
  await screen.findByRole('listbox', { name: /^1 image/ });
}

function runButton() {
  return screen.getByRole('button', { name: 'Run' });
}

function outcome(name: string): HTMLElement {
  const list = screen.getByRole('list', { name: 'Plugins run on this image' });
  const row = within(list)
    .getAllByRole('listitem')
    .find((item) => item.textContent.includes(name));
  if (row === undefined) throw new Error(`${name} was not run`);
  return row;
}

/** What a plugin that reports progress answers: events that the test sends one by one. */
function following() {
  const encoder = new TextEncoder();
  let sink: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (sink = controller) });
  return {
    response: new HttpResponse(body, { headers: { 'Content-Type': 'text/event-stream' } }),
    tell: (event: string, data: unknown) =>
      sink?.enqueue(encoder.encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)),
    breakOff: () => sink?.error(new TypeError('network error')),
  };
}

beforeEach(() => {
  localStorage.clear();
  removeAllImages();
  choose(['boxes']);
  setValues('boxes', {});
  useConnection.setState({ state: 'up' });
});

test('nothing can be run before there is an image and a plugin, and the page says what is missing', async () => {
  offering(BOXES);
  const person = await opened();
  expect(screen.getByText('Add an image to begin.')).toBeVisible();
  expect(runButton()).toBeDisabled();
  await addImage();
  await person.click(screen.getByRole('checkbox', { name: 'boxes' }));
  expect(screen.getByText('Choose a plugin.')).toBeVisible();
  await person.click(screen.getByRole('checkbox', { name: 'boxes' }));
  expect(runButton()).toBeEnabled();
});

test('a picked image is sent as it is, and what was found is listed', async () => {
  offering(BOXES, COUNTS);
  const asked = analyzing(() => HttpResponse.json(answer('boxes', { boxes: [BOX] })));
  const person = await opened();
  await addImage();
  await person.click(runButton());
  await waitFor(() => expect(outcome('boxes')).toHaveTextContent('1 finding · ran 12 ms'));
  expect(await screen.findByRole('img', { name: /^cat\.png with 1 findings drawn/ })).toBeInTheDocument();
  const [request] = asked;
  expect(new URL(request?.url ?? '').search).toBe('?plugin=boxes');
  expect(request?.headers.get('Content-Type')).toBe('image/png');
  expect(new Uint8Array((await request?.arrayBuffer()) ?? new ArrayBuffer(0))).toEqual(PNG);
});

test('a dropped image is taken like a picked one', async () => {
  offering(BOXES);
  await opened();
  const files = [image('dropped.png')];
  const items = files.map((file) => ({ kind: 'file', type: file.type, getAsFile: () => file }));
  fireEvent.drop(screen.getByRole('heading', { name: 'Analyze images' }), {
    dataTransfer: { files, items, types: ['Files'] },
  });
  expect(await screen.findByRole('listbox', { name: /^1 image/ })).toBeVisible();
  expect(await screen.findByText('dropped.png')).toBeInTheDocument();
});

test('options are a form made of the schema: what is changed is sent, what is out of range is told', async () => {
  offering(BOXES);
  const asked = analyzing(() => HttpResponse.json(answer('boxes', {})));
  const person = await opened();
  await addImage();
  await person.click(screen.getByRole('button', { name: 'Options of boxes' }));
  const least = await screen.findByRole('textbox', { name: 'Least' });
  await person.clear(least);
  await person.type(least, '7');
  expect(await screen.findByText('At most 1.')).toBeInTheDocument();
  expect(screen.getByText('Mend the options of boxes.')).toBeInTheDocument();
  expect(runButton()).toBeDisabled();
  await person.clear(least);
  await person.type(least, '0.5');
  await person.click(runButton());
  await waitFor(() => expect(asked).toHaveLength(1));
  const options = new URL(asked[0]?.url ?? '').searchParams.get('options');
  expect(JSON.parse(options ?? '')).toEqual({ least: 0.5 });
});

test('a failure is told in kind words, with a way on', async () => {
  offering(BOXES);
  let isBroken = true;
  analyzing(() =>
    isBroken ? refusal(400, 'plugin_crashed', 'signal 11') : HttpResponse.json(answer('boxes', { boxes: [BOX] })),
  );
  const person = await opened();
  await addImage();
  await person.click(runButton());
  const alert = await screen.findByRole('alert');
  expect(alert).toHaveTextContent('boxes: The plugin crashed on this image');
  isBroken = false;
  await person.click(within(alert).getByRole('button', { name: 'Try again' }));
  await waitFor(() => expect(outcome('boxes')).toHaveTextContent('1 finding'));
  expect(screen.queryByRole('alert')).not.toBeInTheDocument();
});

test('what is refused for ever is not offered to be tried again', async () => {
  offering(BOXES);
  analyzing(() => refusal(400, 'undecodable_image', 'no image'));
  const person = await opened();
  await addImage();
  await person.click(runButton());
  const alert = await screen.findByRole('alert');
  expect(within(alert).queryByRole('button', { name: 'Try again' })).not.toBeInTheDocument();
});

test('a plugin that cannot run any more is not offered to be tried again', async () => {
  const offered = offering(BOXES);
  analyzing(() => {
    offered.plugins = [{ ...BOXES, state: 'UNAVAILABLE' }];
    return refusal(503, 'plugin_disabled', 'disabled');
  });
  const person = await opened();
  await addImage();
  await person.click(runButton());
  const alert = await screen.findByRole('alert');
  await waitFor(() => expect(within(alert).queryByRole('button', { name: 'Try again' })).not.toBeInTheDocument());
});

test('a plugin’s own progress is shown while it runs, then the result', async () => {
  offering(BOXES);
  const stream = following();
  const asked = analyzing(() => stream.response);
  const person = await opened();
  await addImage();
  await person.click(runButton());
  await waitFor(() => expect(asked).toHaveLength(1));
  expect(outcome('boxes')).toHaveTextContent('runs');
  expect(asked[0]?.headers.get('Accept')).toContain('text/event-stream');
  stream.tell('progress', { done: 1, total: 4, message: 'tile 1' });
  await waitFor(() => expect(outcome('boxes')).toHaveTextContent('25 %, tile 1'));
  expect(screen.getByRole('progressbar', { name: 'Progress of boxes' })).toHaveAttribute('aria-valuenow', '25');
  expect(screen.getByRole('progressbar', { name: 'Progress' })).toHaveAttribute('aria-valuenow', '25');
  stream.tell('end', { status: 200, body: answer('boxes', { boxes: [BOX] }) });
  await waitFor(() => expect(outcome('boxes')).toHaveTextContent('1 finding · ran 12 ms'));
  expect(screen.queryByRole('progressbar')).not.toBeInTheDocument();
});

test('a failure after progress is told as any other', async () => {
  offering(BOXES);
  const stream = following();
  analyzing(() => stream.response);
  const person = await opened();
  await addImage();
  await person.click(runButton());
  stream.tell('progress', { done: 1, total: 4, message: '' });
  const body: unknown = await refusal(400, 'plugin_timeout', 'too long').json();
  stream.tell('end', { status: 400, body });
  expect(await screen.findByRole('alert')).toHaveTextContent('boxes: The plugin took too long and was stopped');
});

test('cancel hangs up on the server, and says so', async () => {
  offering(BOXES);
  const stream = following();
  const asked = analyzing(() => stream.response);
  const person = await opened();
  await addImage();
  await person.click(runButton());
  await waitFor(() => expect(asked).toHaveLength(1));
  stream.tell('progress', { done: 1, total: 4, message: 'tile 1' });
  await waitFor(() => expect(outcome('boxes')).toHaveTextContent('tile 1'));
  await person.click(screen.getByRole('button', { name: 'Cancel' }));
  await waitFor(() => expect(outcome('boxes')).toHaveTextContent('cancelled'));
  stream.tell('end', { status: 200, body: answer('boxes', { boxes: [BOX] }) });
  expect(outcome('boxes')).toHaveTextContent('cancelled');
  expect(runButton()).toBeEnabled();
});

test('a double click on Run does not cancel what the first click began', async () => {
  offering(BOXES);
  let reply = () => {};
  const asked = analyzing(
    () => new Promise((resolve) => (reply = () => resolve(HttpResponse.json(answer('boxes', { cat: BOX }))))),
  );
  const person = await opened();
  await addImage();
  await person.dblClick(runButton());
  expect(await screen.findByRole('button', { name: 'Cancel' })).toBeVisible();
  await waitFor(() => expect(asked).toHaveLength(1));
  expect(outcome('boxes')).toHaveTextContent('runs');
  reply();
  await waitFor(() => expect(outcome('boxes')).toHaveTextContent('1 finding'));
});

test('a plugin that vanishes while it is chosen is told, and can be taken off', async () => {
  const offered = offering(BOXES, COUNTS);
  choose(['boxes', 'counts']);
  analyzing(({ url }) =>
    url.endsWith('boxes') ? refusal(404, 'plugin_not_found', 'no boxes') : HttpResponse.json(answer('counts', {})),
  );
  const person = await opened();
  await addImage();
  offered.plugins = [COUNTS];
  await person.click(runButton());
  expect(await screen.findByText(/is not there any more\.$/)).toHaveTextContent('boxes is not there any more.');
  expect(runButton()).toBeDisabled();
  await person.click(screen.getByRole('button', { name: 'Take it off' }));
  await waitFor(() => expect(runButton()).toBeEnabled());
  expect(outcome('counts')).toHaveTextContent('nothing to draw');
});

test('a run waits for a server that is gone, and goes on when it is back', async () => {
  offering(BOXES);
  let isGone = true;
  server.use(http.get('/health/live', () => (isGone ? HttpResponse.error() : HttpResponse.json({ live: true }))));
  const stream = following();
  analyzing(() => (isGone ? stream.response : HttpResponse.json(answer('boxes', { boxes: [BOX] }))));
  const person = await opened();
  await addImage();
  await person.click(runButton());
  stream.tell('progress', { done: 3, total: 4, message: 'tile 3' });
  await waitFor(() => expect(outcome('boxes')).toHaveTextContent('tile 3'));
  act(() => stream.breakOff());
  await waitFor(() => expect(outcome('boxes')).toHaveTextContent('waits for the server'));
  isGone = false;
  await waitFor(() => expect(outcome('boxes')).toHaveTextContent('1 finding'));
});

test('a list of plugins that cannot be had is told, and asked for again on demand', async () => {
  offering(BOXES);
  server.use(http.get('/v1/plugins', () => refusal(403, 'forbidden', 'not here'), { once: true }));
  const person = shown(<AnalyzeView />);
  expect(await screen.findByRole('alert')).toHaveTextContent('This is not allowed');
  await person.click(screen.getByRole('button', { name: 'Try again' }));
  expect(await screen.findByRole('checkbox', { name: 'boxes' })).toBeChecked();
});

test('an image that is added during a run can be run at once', async () => {
  offering(BOXES);
  const stream = following();
  const asked = analyzing(() =>
    asked.length === 1 ? stream.response : HttpResponse.json(answer('boxes', { boxes: [BOX] })),
  );
  const person = await opened();
  await addImage();
  await person.click(runButton());
  await waitFor(() => expect(asked).toHaveLength(1));
  expect(screen.queryByRole('button', { name: /new image/ })).not.toBeInTheDocument();
  fireEvent.change(screen.getByLabelText('Image files'), { target: { files: [image('late.png')] } });
  await person.click(await screen.findByRole('button', { name: 'Run 1 new image' }));
  expect(await screen.findByText('1 of 2 done')).toBeVisible();
  expect(asked).toHaveLength(2);
  expect(screen.queryByRole('button', { name: /new image/ })).not.toBeInTheDocument();
  expect(screen.getByRole('button', { name: 'Cancel' })).toBeVisible();
  stream.tell('end', { status: 200, body: answer('boxes', { boxes: [BOX] }) });
  await waitFor(() => expect(runButton()).toBeEnabled());
});
