/** What the list of jobs is narrowed to. It stands in the address, so that a list can be kept and sent. */
export interface JobFilter {
  status?: Status;
  plugin?: string;
  error_code?: string;
  /** How far back, as a word of PERIODS. */
  period?: Period;
  q?: string;
  /** Accepted jobs only, or waiting calls only. */
  durable?: 'true' | 'false';
}

export const STATUSES = ['PENDING', 'RUNNING', 'SUCCESS', 'FAILED', 'CANCELLED'] as const;
export type Status = (typeof STATUSES)[number];

const HOUR_MS = 3_600_000;
const PERIOD_MS = { hour: HOUR_MS, day: 24 * HOUR_MS, week: 7 * 24 * HOUR_MS } as const;
export type Period = keyof typeof PERIOD_MS;
export const PERIODS: { value: Period; label: string }[] = [
  { value: 'hour', label: 'the last hour' },
  { value: 'day', label: 'the last 24 hours' },
  { value: 'week', label: 'the last 7 days' },
];
// A moment that moved with every look would make each a new question, and the server's answers of no use twice.
const ROUNDED_MS = 60_000;

/** Read a filter from an address's query; what it cannot be is left out. */
export function filterOf(search: string): JobFilter {
  const query = new URLSearchParams(search);
  const filter: JobFilter = {};
  const status = STATUSES.find((known) => known === query.get('status'));
  const period = PERIODS.find(({ value }) => value === query.get('period'))?.value;
  const durable = query.get('durable');
  if (status !== undefined) filter.status = status;
  if (period !== undefined) filter.period = period;
  if (durable === 'true' || durable === 'false') filter.durable = durable;
  for (const name of ['plugin', 'error_code', 'q'] as const) {
    const value = query.get(name)?.trim();
    if (value) filter[name] = value;
  }
  return filter;
}

/** Narrow to a status, or to none; an error goes that no job of the status can have: the server refuses the two. */
export function withStatus({ status: _, ...filter }: JobFilter, status: Status | undefined): JobFilter {
  if (status === undefined) return filter;
  const { error_code, ...rest } = filter;
  return error_code !== undefined && canHaveError(status) ? { ...rest, error_code, status } : { ...rest, status };
}

/** Narrow to an error, or to none; a status goes that has no errors. */
export function withError({ error_code: _, ...filter }: JobFilter, code: string | null): JobFilter {
  if (!code) return filter;
  const { status, ...rest } = filter;
  return status !== undefined && canHaveError(status)
    ? { ...rest, status, error_code: code }
    : { ...rest, error_code: code };
}

function canHaveError(status: Status): boolean {
  return status === 'FAILED' || status === 'CANCELLED';
}

/** Return the address's query for a filter and a page of its list. */
export function searchOf(filter: JobFilter, cursor: string | null = null): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) if (value) query.set(name, value as string);
  if (cursor !== null) query.set('cursor', cursor);
  const said = query.toString();
  return said === '' ? '' : `?${said}`;
}

export interface JobQuery {
  status?: string;
  plugin?: string;
  error_code?: string;
  since?: string;
  q?: string;
  durable?: boolean;
  batch?: string;
}

/** Return what to ask the server for. */
export function queryOf(filter: JobFilter, now: number): JobQuery {
  const { period, durable, ...same } = filter;
  const query: JobQuery = { ...same };
  if (durable !== undefined) query.durable = durable === 'true';
  if (period !== undefined) {
    query.since = new Date(Math.floor((now - PERIOD_MS[period]) / ROUNDED_MS) * ROUNDED_MS).toISOString();
  }
  return query;
}

/** Tell whether a job that was heard of belongs to a list that is narrowed so; what only the server knows passes. */
export function mayShow(job: { status: string; plugin: string; id: string }, query: JobQuery): boolean {
  if (query.status !== undefined && job.status !== query.status) return false;
  if (query.plugin !== undefined && job.plugin !== query.plugin) return false;
  return query.q === undefined || job.id.startsWith(query.q) || job.plugin.includes(query.q);
}

export function hasEnded({ status }: { status: string }): boolean {
  return status === 'SUCCESS' || status === 'FAILED' || status === 'CANCELLED';
}
