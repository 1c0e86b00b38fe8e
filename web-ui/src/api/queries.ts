import { QueryClient, queryOptions } from '@tanstack/react-query';

import { client, dataOf } from './client';
import { useConnection } from './connection';
import { CallFailed } from './failure';
import { useKey } from './key';
import type { PluginAnswer } from './schema';

const MOST_TRIES = 2;

/** Return the client that keeps the server's answers. */
export function makeQueryClient(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        // The server may be on a machine without any network: the browser's own guess says nothing of it.
        networkMode: 'always',
        staleTime: 5_000,
        // What was refused will be again; what could not be reached is asked anew when the server is back.
        retry: (tries, failed) => failed instanceof CallFailed && failed.status >= 500 && tries < MOST_TRIES,
      },
      mutations: { networkMode: 'always' },
    },
  });
}

/** Ask everything anew when the server is back, or when another key is used. Returns a function that ends it. */
export function refreshOnReturn(queries: QueryClient): () => void {
  const stops = [
    useConnection.subscribe((now, before) => {
      if (now.returns !== before.returns) void queries.invalidateQueries();
    }),
    useKey.subscribe((now, before) => {
      if (now.key !== before.key) void queries.invalidateQueries();
    }),
  ];
  return () => stops.forEach((stop) => stop());
}

export const pluginsQuery = queryOptions({
  queryKey: ['plugins'],
  queryFn: async ({ signal }) => (await dataOf(client.GET('/v1/plugins', { signal }))).plugins,
});

/** Whether a plugin can be called now, as far as is known. */
export function canBeCalled({ state }: Pick<PluginAnswer, 'state'>): boolean {
  return state !== 'UNAVAILABLE' && state !== 'FAILED';
}

/** The server's version and limits; they stay as they are while it runs, and are asked anew when it comes back. */
export const serverQuery = queryOptions({
  queryKey: ['server'],
  queryFn: ({ signal }) => dataOf(client.GET('/v1/server', { signal })),
  staleTime: Infinity,
});
