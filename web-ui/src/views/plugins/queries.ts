import { queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';

import { client, dataOf } from '../../api/client';
import type { PluginAnswer } from '../../api/schema';
import { nextLook } from '../health/queries';

const LOOK_EVERY_MS = 5_000;
const NEWEST_FAILED = 5;

export { pluginsQuery } from '../../api/queries';
export const whileOpen = { refetchInterval: LOOK_EVERY_MS };

export function pluginQuery(name: string) {
  return queryOptions({
    queryKey: ['plugins', name],
    queryFn: ({ signal }) => dataOf(client.GET('/v1/plugins/{name}', { params: { path: { name } }, signal })),
    ...whileOpen,
  });
}

export function pluginHistoryQuery(name: string) {
  return queryOptions({
    queryKey: ['plugins', name, 'history'],
    queryFn: ({ signal }) => dataOf(client.GET('/v1/plugins/{name}/history', { params: { path: { name } }, signal })),
    refetchInterval: (query) => nextLook(query.state.data),
  });
}

/** The newest jobs of a plugin that failed. */
export function failedJobsQuery(name: string) {
  const query = { plugin: name, status: 'FAILED', limit: NEWEST_FAILED };
  return queryOptions({
    queryKey: ['jobs', 'failed', name],
    queryFn: async ({ signal }) => (await dataOf(client.GET('/v1/jobs', { params: { query }, signal }))).jobs,
    ...whileOpen,
  });
}

export type Change = 'enable' | 'disable' | 'reload';

/** Change a plugin. What is shown of plugins is asked anew, whatever came of it. */
export function usePluginChange(name: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (change: Change): Promise<PluginAnswer> => {
      const params = { params: { path: { name } } };
      if (change === 'enable') return dataOf(client.POST('/v1/plugins/{name}/enable', params));
      if (change === 'disable') return dataOf(client.POST('/v1/plugins/{name}/disable', params));
      return dataOf(client.POST('/v1/plugins/{name}/reload', params));
    },
    onSettled: () => queries.invalidateQueries({ queryKey: ['plugins'] }),
  });
}
