import { queryOptions } from '@tanstack/react-query';

import { client, dataOf } from '../../api/client';
import { failureOf } from '../../api/failure';
import type { Ready, ServerHistory } from '../../api/schema';

const LEAST_WAIT_MS = 1_000;
const READY_EVERY_MS = 10_000;

/** As often as the server itself looks, so that no sample is asked for twice. */
export function nextLook(answer: { every_s: number } | undefined): number {
  return Math.max(LEAST_WAIT_MS, (answer?.every_s ?? 10) * 1_000);
}

export const historyQuery = queryOptions({
  queryKey: ['history'],
  queryFn: ({ signal }): Promise<ServerHistory> => dataOf(client.GET('/v1/history', { signal })),
  refetchInterval: (query) => nextLook(query.state.data),
});

export const readyQuery = queryOptions({
  queryKey: ['ready'],
  queryFn: async ({ signal }): Promise<Ready> => {
    const { data, error, response } = await client.GET('/health/ready', { signal });
    // An unready server answers 503 with the same body.
    const answer = data ?? error;
    if (isReady(answer)) return answer;
    throw failureOf(answer, response);
  },
  refetchInterval: READY_EVERY_MS,
});

function isReady(answer: unknown): answer is Ready {
  return typeof (answer as Partial<Ready> | null | undefined)?.ready === 'boolean';
}
