import { Anchor, Skeleton, Table, Text } from '@mantine/core';
import { Link } from 'wouter';

import type { JobSummary } from '../../api/schema';
import { ago, duration, milliseconds, moment } from '../../components/format';
import { progressInWords } from '../../components/progress';
import { said } from '../../components/said';
import { useNow } from '../../components/useNow';
import { countWords } from '../../components/words';
import classes from './JobTable.module.css';
import { StatusBadge } from './StatusBadge';
import { restUntil } from './filter';
import { waitedMs } from './waited';

interface Props {
  jobs: readonly JobSummary[] | undefined;
  label: string;
}

const FIRST_ROWS = 8;
const TELL_TIME_EVERY_MS = 5_000;

/** One page of jobs as a table; on a small screen each row is a card. */
export function JobTable({ jobs, label }: Props) {
  const now = useNow(TELL_TIME_EVERY_MS);
  return (
    <Table className={classes.table} aria-label={label} aria-busy={jobs === undefined} verticalSpacing={7} fz="sm">
      <Table.Thead>
        <Table.Tr>
          <Table.Th className={classes.status}>status</Table.Th>
          <Table.Th className={classes.plugin}>plugin</Table.Th>
          <Table.Th className={classes.id}>job</Table.Th>
          <Table.Th className={classes.time}>created</Table.Th>
          <Table.Th className={classes.figure}>waited</Table.Th>
          <Table.Th className={classes.figure}>ran</Table.Th>
          <Table.Th>what came of it</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {jobs === undefined
          ? Array.from({ length: FIRST_ROWS }, (_, at) => (
              <Table.Tr key={at}>
                <Table.Td colSpan={7}>
                  <Skeleton height={22} />
                </Table.Td>
              </Table.Tr>
            ))
          : jobs.map((job) => <JobRow key={job.id} job={job} now={now} />)}
      </Table.Tbody>
    </Table>
  );
}

/** What tells the ids of one moment apart: they begin alike. */
const ID_END = 8;

function JobRow({ job, now }: { job: JobSummary; now: number }) {
  const waited = waitedMs(job);
  return (
    <Table.Tr>
      <Table.Td>
        <StatusBadge status={job.status} />
      </Table.Td>
      <Table.Td className={classes.cut}>{job.plugin}</Table.Td>
      <Table.Td>
        <Anchor
          component={Link}
          to={`/jobs/${job.id}`}
          size="sm"
          ff="monospace"
          title={job.id}
          aria-label={job.id}
          className={classes.link}
        >
          <span className={classes.cut}>{job.id.slice(0, -ID_END)}</span>
          <span>{job.id.slice(-ID_END)}</span>
        </Anchor>
      </Table.Td>
      <Table.Td title={moment(job.created_at)}>{ago(job.created_at, now)}</Table.Td>
      <Table.Td data-name="waited ">{waited === null ? '–' : milliseconds(waited)}</Table.Td>
      <Table.Td data-name="ran ">{ranInWords(job, now)}</Table.Td>
      <Table.Td className={classes.cut}>
        <Outcome job={job} />
      </Table.Td>
    </Table.Tr>
  );
}

/** How long a job ran; of one that runs, how long it does so far. */
function ranInWords({ status, started_at, running_ms }: JobSummary, now: number): string {
  if (running_ms !== null) return milliseconds(running_ms);
  if (status !== 'RUNNING' || started_at === null) return '–';
  return duration((now - new Date(started_at).getTime()) / 1_000);
}

function Outcome({ job }: { job: JobSummary }) {
  const { error } = job;
  // Somebody wanted it to be cancelled, and the badge says that it was.
  const failure = error === null || job.status === 'CANCELLED' ? null : error;
  const words = failure === null ? stateOf(job) : `${failure.details.code}: ${said(failure)}`;
  return (
    <Text span size="sm" c={failure === null ? 'dimmed' : 'var(--mantine-color-error)'} title={words}>
      {words}
    </Text>
  );
}

function stateOf(job: JobSummary): string {
  const { attempt, progress, blocked, cancel_requested, status } = job;
  if (cancel_requested && status === 'RUNNING') return 'is being cancelled';
  if (progress !== null && status === 'RUNNING') return progressInWords(progress);
  const rest = restUntil(job);
  const waits = [
    attemptInWords(status, attempt),
    blocked > 0 ? `needs ${countWords(blocked, 'other job')}` : null,
    rest === null ? null : `not before ${moment(rest)}`,
  ];
  return waits.filter(Boolean).join(', ');
}

function attemptInWords(status: JobSummary['status'], attempt: number): string | null {
  if (status === 'PENDING') return attempt > 0 ? `attempt ${attempt + 1} comes next` : null;
  return attempt > 1 ? `attempt ${attempt}` : null;
}
