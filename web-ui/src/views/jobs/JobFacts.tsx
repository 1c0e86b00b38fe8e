import { Anchor } from '@mantine/core';
import { Link } from 'wouter';

import type { JobAnswer } from '../../api/schema';
import { Facts } from '../../components/Facts';
import type { Fact } from '../../components/Facts';
import { milliseconds, moment } from '../../components/format';
import { countWords } from '../../components/words';
import { restUntil } from './filter';
import { waitedMs } from './waited';

/** What was asked of a job, and how long it took. */
export function JobFacts({ job }: { job: JobAnswer }) {
  return <Facts facts={[...figuresOf(job), ...termsOf(job)]} />;
}

function figuresOf(job: JobAnswer): Fact[] {
  const time = (ms: number | null) => (ms === null ? '–' : milliseconds(ms));
  return [
    [
      'plugin',
      <Anchor key="plugin" component={Link} to={`/plugins/${encodeURIComponent(job.plugin)}`} size="sm">
        {job.plugin}
      </Anchor>,
      'wide',
    ],
    ['waited', time(waitedMs(job))],
    ['ran', time(job.running_ms)],
    ['priority', String(job.priority)],
    ['kind', job.durable ? 'accepted job' : 'waiting call', 'wide'],
  ];
}

function termsOf(job: JobAnswer): Fact[] {
  const facts: Fact[] = [];
  const rest = restUntil(job);
  if (rest !== null) facts.push(['not before', at(rest), 'wide']);
  if (job.deadline !== null) facts.push(['deadline', at(job.deadline), 'wide']);
  if (job.retry !== null && job.retry.max_attempts > 1) facts.push(['tried', triesInWords(job.retry), 'wide']);
  if (job.batch !== null) facts.push(['batch', link(`/batches/${job.batch}`, job.batch), 'wide']);
  if (job.copy_of !== null) facts.push(['again of', link(`/jobs/${job.copy_of}`, job.copy_of), 'wide']);
  const needs = job.after_rule === 'end' ? 'begins after the end of' : 'needs the success of';
  for (const needed of job.needs) facts.push([needs, link(`/jobs/${needed}`, needed), 'wide']);
  if (job.webhook !== null) facts.push(['webhook', job.webhook, 'wide']);
  if (job.webhook_delivery !== null) facts.push(['webhook is', deliveryInWords(job.webhook_delivery), 'wide']);
  return facts;
}

function triesInWords({ max_attempts, codes = [] }: NonNullable<JobAnswer['retry']>): string {
  return `at most ${countWords(max_attempts, 'time')}${codes.length > 0 ? `, after ${codes.join(', ')}` : ''}`;
}

function deliveryInWords({ state, calls, reason }: NonNullable<JobAnswer['webhook_delivery']>): string {
  const said = { waiting: 'to be called', delivered: 'delivered', given_up: 'given up' }[state];
  return `${said} after ${countWords(calls, 'call')}${reason === null ? '' : `: ${reason}`}`;
}

function at(iso: string) {
  return <time dateTime={iso}>{moment(iso)}</time>;
}

function link(to: string, id: string) {
  return (
    <Anchor component={Link} to={to} size="sm" ff="monospace" title={id}>
      {id.slice(0, 12)}…
    </Anchor>
  );
}
