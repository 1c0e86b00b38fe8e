import { Code, Text, Timeline } from '@mantine/core';

import type { JobAnswer } from '../../api/schema';
import { milliseconds, moment } from '../../components/format';
import { countWords } from '../../components/words';
import { STATUS_WORDS } from './StatusBadge';
import { hasEnded, restUntil } from './filter';

type Attempt = JobAnswer['attempts'][number];

const OUTCOMES: Record<string, string> = {
  SUCCESS: 'succeeded',
  FAILED: 'failed',
  CANCELLED: 'was cancelled',
  retried: 'failed, and was to be tried again',
  interrupted: 'was cut short: the server ended',
  handed_back: 'was handed back: the server was stopping, or the plugin rested',
};

/** What happened to a job, from its acceptance to its end, with every attempt. */
export function JobTimeline({ job }: { job: JobAnswer }) {
  const ended = hasEnded(job);
  const rest = restUntil(job);
  return (
    <Timeline active={job.attempts.length + (ended ? 1 : 0)} bulletSize={14} lineWidth={2}>
      <Timeline.Item title="Accepted">
        <When iso={job.created_at} />
      </Timeline.Item>
      {job.attempts.map((attempt) => (
        <Timeline.Item key={attempt.number} title={`Attempt ${attempt.number} ${outcomeOf(attempt)}`}>
          <When iso={attempt.started_at} />
          <Said>
            {attempt.ended_at !== null && `${tookOf(attempt)} `}
            {attempt.worker_pid !== null && `in worker ${attempt.worker_pid} `}
            {attempt.error_code !== null && <Code>{attempt.error_code}</Code>}
          </Said>
        </Timeline.Item>
      ))}
      {ended ? (
        <Timeline.Item title={`It ${job.status === 'CANCELLED' ? 'was ' : ''}${STATUS_WORDS[job.status]}`}>
          {job.ended_at !== null && <When iso={job.ended_at} />}
        </Timeline.Item>
      ) : (
        <Timeline.Item lineVariant="dashed" title={job.status === 'PENDING' ? 'It waits' : 'It runs'}>
          {job.blocked > 0 && (
            <Said>
              It waits for the {job.after_rule === 'end' ? 'end' : 'success'} of {countWords(job.blocked, 'other job')}.
            </Said>
          )}
          {rest !== null && <Said>It does not begin before {moment(rest)}.</Said>}
          {job.waits_because !== null && <Said>It waits because {job.waits_because}.</Said>}
          {job.deadline !== null && <Said>It must have ended by {moment(job.deadline)}.</Said>}
        </Timeline.Item>
      )}
    </Timeline>
  );
}

function outcomeOf({ outcome, error_code }: Attempt): string {
  if (outcome === 'handed_back' && error_code !== null) return 'was left to servers that have the plugin';
  return outcome === null ? 'runs' : (OUTCOMES[outcome] ?? outcome);
}

function tookOf({ started_at, ended_at }: Attempt): string {
  return ended_at === null ? '' : milliseconds(new Date(ended_at).getTime() - new Date(started_at).getTime());
}

function When({ iso }: { iso: string }) {
  return (
    <Text size="xs" c="dimmed" component="time" dateTime={iso}>
      {moment(iso)}
    </Text>
  );
}

function Said({ children }: { children: React.ReactNode }) {
  return (
    <Text size="sm" component="div">
      {children}
    </Text>
  );
}
