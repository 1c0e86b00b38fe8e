import createClient from 'openapi-fetch';

import { connectionHeld, connectionLost } from './connection';
import { failureOf, isAbort, unreachable } from './failure';
import { keyRefused, useKey } from './key';
import type { paths } from './schema';

/**
 * fetch with the API key, for every call of the server. Keeps the connection's state and the question for a key.
 * Rejects with CallFailed `server_unreachable`, or with the AbortError of the request's own signal.
 */
export async function guardedFetch(request: Request): Promise<Response> {
  const { key } = useKey.getState();
  const given = request.headers.has('Authorization');
  if (key !== null && !given) request.headers.set('Authorization', `Bearer ${key}`);
  let response: Response;
  try {
    response = await fetch(request);
  } catch (failed) {
    if (isAbort(failed) || request.signal.aborted) throw failed;
    connectionLost();
    throw unreachable();
  }
  connectionHeld();
  if (response.status === 401 && !given) keyRefused(key);
  return response;
}

/** The client of the API, typed by the OpenAPI document. */
export const client = createClient<paths>({ baseUrl: window.location.origin, fetch: guardedFetch });

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** Return a call's data. Throws CallFailed. */
export async function dataOf<T>(call: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok) throw failureOf(error, response);
  return data as T;
}
