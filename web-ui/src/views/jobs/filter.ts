import { SERVER_CODES } from '../../components/advice';

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
  /** The earliest creation, and the moment before which it was (ISO 8601). */
  since?: string;
  until?: string;
  batch?: string;
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

const isText = (said: string): boolean => said.trim() !== '';
const isMoment = (said: string): boolean => ISO_DATE.test(said) && !Number.isNaN(Date.parse(said));
const isOneOf = (words: readonly string[]) => (said: string) => words.includes(said);
// What the server reads as a moment; a browser would take much more for one.
const ISO_DATE = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/;
const ID = /^[0-9a-f]{32}$/;

/** Whether it can be the id of a job or a batch. */
export function isId(said: string): boolean {
  return ID.test(said);
}

/** Return a moment as the server reads it: in UTC where it does not say. A browser would take its own zone. */
export function readAsUtc(said: string): string {
  const dated = said.replace(' ', 'T');
  return dated.includes('T') && !/(Z|[+-]\d\d:\d\d)$/.test(dated) ? `${dated}Z` : dated;
}

/** What an address may narrow a list by, and what each may say. */
const UNDERSTOOD: Record<keyof JobFilter, (said: string) => boolean> = {
  status: isOneOf(STATUSES),
  plugin: isText,
  error_code: isOneOf(SERVER_CODES),
  period: isOneOf(Object.keys(PERIOD_MS)),
  q: isText,
  durable: isOneOf(['true', 'false']),
  since: isMoment,
  until: isMoment,
  batch: isId,
};

/** Read a filter from an address's query; what it cannot be is left out. */
export function filterOf(search: string): JobFilter {
  const read = [...new URLSearchParams(search)].filter(([name, said]) => isUnderstood(name, said));
  return Object.fromEntries(read.map(([name, said]) => [name, said.trim()]));
}

/** Return what stands in an address's query and narrows nothing, because it is not understood. */
export function notUnderstood(search: string): string[] {
  return [...new URLSearchParams(search)]
    .filter(([name, said]) => name !== 'cursor' && said !== '' && !isUnderstood(name, said))
    .map(([name, said]) => `${name}=${said}`);
}

function isUnderstood(name: string, said: string): boolean {
  return Object.hasOwn(UNDERSTOOD, name) && UNDERSTOOD[name as keyof JobFilter](said);
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
  until?: string;
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
    const back = Math.floor((now - PERIOD_MS[period]) / ROUNDED_MS) * ROUNDED_MS;
    // Both hold, so the later is what counts.
    if (query.since === undefined || Date.parse(readAsUtc(query.since)) < back)
      query.since = new Date(back).toISOString();
  }
  return query;
}

interface HeardOf {
  status: string;
  plugin: string;
  id: string;
  batch: string | null;
}

/** Tell whether a job that was heard of belongs to a list that is narrowed so; what only the server knows passes. */
export function mayShow(job: HeardOf, query: JobQuery): boolean {
  if (query.status !== undefined && job.status !== query.status) return false;
  if (query.plugin !== undefined && job.plugin !== query.plugin) return false;
  if (query.batch !== undefined && job.batch !== query.batch) return false;
  const text = query.q?.toLowerCase();
  return text === undefined || job.id.startsWith(text) || job.plugin.toLowerCase().includes(text);
}

export function hasEnded({ status }: { status: string }): boolean {
  return status === 'SUCCESS' || status === 'FAILED' || status === 'CANCELLED';
}

/** Return the moment that a job waits for, of a delay or of the rest before another try; null if it waits for none. */
export function restUntil(job: { status: string; not_before: string | null }, now = Date.now()): string | null {
  const { status, not_before } = job;
  return status === 'PENDING' && not_before !== null && Date.parse(not_before) > now ? not_before : null;
}
