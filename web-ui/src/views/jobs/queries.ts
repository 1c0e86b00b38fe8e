import { keepPreviousData, queryOptions, useMutation, useQueryClient } from '@tanstack/react-query';

import { client, dataOf, guardedFetch } from '../../api/client';
import { failureOf } from '../../api/failure';
import type { JobQuery } from './filter';

export const PAGE_SIZE = 50;
const COUNTS_EVERY_MS = 5_000;
// While the events do not come (a proxy that holds them back, an old server), the list is asked for instead.
const LIST_EVERY_MS = 5_000;

export function jobsQuery(query: JobQuery, cursor: string | null, live: boolean) {
  return queryOptions({
    queryKey: ['jobs', 'list', query, cursor],
    queryFn: ({ signal }) => {
      const asked = { ...query, limit: PAGE_SIZE, ...(cursor !== null && { cursor }) };
      return dataOf(client.GET('/v1/jobs', { params: { query: asked }, signal }));
    },
    placeholderData: keepPreviousData,
    refetchInterval: live ? false : LIST_EVERY_MS,
  });
}

export function countsQuery({ status: _, ...query }: JobQuery) {
  return queryOptions({
    queryKey: ['jobs', 'counts', query],
    queryFn: ({ signal }) => dataOf(client.GET('/v1/jobs/counts', { params: { query }, signal })),
    placeholderData: keepPreviousData,
    refetchInterval: COUNTS_EVERY_MS,
  });
}

export function jobQuery(id: string) {
  return queryOptions({
    queryKey: ['jobs', 'job', id],
    queryFn: ({ signal }) => dataOf(client.GET('/v1/jobs/{job_id}', { params: { path: { job_id: id } }, signal })),
  });
}

/** The image that a job was given. It is fetched, not linked: only a fetch carries the API key. */
export function inputQuery(id: string) {
  return queryOptions({
    queryKey: ['jobs', 'input', id],
    queryFn: async ({ signal }) => {
      const address = new URL(`/v1/jobs/${encodeURIComponent(id)}/input`, window.location.origin);
      const response = await guardedFetch(new Request(address, { signal }));
      if (!response.ok) throw failureOf(await response.json().catch(() => null), response);
      return response.blob();
    },
    staleTime: Infinity,
    gcTime: 60_000,
  });
}

export function batchQuery(id: string) {
  return queryOptions({
    queryKey: ['batches', id],
    queryFn: ({ signal }) =>
      dataOf(client.GET('/v1/batches/{batch_id}', { params: { path: { batch_id: id } }, signal })),
  });
}

/** Cancel a job. */
export function useCancel(id: string) {
  return useJobChange(() => dataOf(client.DELETE('/v1/jobs/{job_id}', { params: { path: { job_id: id } } })));
}

/** Run a job's input and options again, as a new job. */
export function useRequeue(id: string) {
  return useJobChange(() => dataOf(client.POST('/v1/jobs/{job_id}/requeue', { params: { path: { job_id: id } } })));
}

/** Cancel the jobs of a batch that have not ended. */
export function useCancelBatch(id: string) {
  return useJobChange(() => dataOf(client.DELETE('/v1/batches/{batch_id}', { params: { path: { batch_id: id } } })));
}

function useJobChange<T>(change: () => Promise<T>) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: change,
    onSettled: () => {
      void queries.invalidateQueries({ queryKey: ['jobs'] });
      void queries.invalidateQueries({ queryKey: ['batches'] });
    },
  });
}
