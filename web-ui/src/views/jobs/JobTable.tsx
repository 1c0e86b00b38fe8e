import { Anchor, Skeleton, Table, Text } from '@mantine/core';
import { Link } from 'wouter';

import type { JobSummary } from '../../api/schema';
import { ago, milliseconds, moment } from '../../components/format';
import { progressInWords } from '../../components/progress';
import classes from './JobTable.module.css';
import { StatusBadge } from './StatusBadge';

interface Props {
  jobs: readonly JobSummary[] | undefined;
  label: string;
}

const FIRST_ROWS = 8;

/** One page of jobs as a table; on a small screen each row is a card. */
export function JobTable({ jobs, label }: Props) {
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
          : jobs.map((job) => <JobRow key={job.id} job={job} />)}
      </Table.Tbody>
    </Table>
  );
}

function JobRow({ job }: { job: JobSummary }) {
  return (
    <Table.Tr>
      <Table.Td>
        <StatusBadge status={job.status} />
      </Table.Td>
      <Table.Td className={classes.cut}>{job.plugin}</Table.Td>
      <Table.Td className={classes.cut}>
        <Anchor component={Link} to={`/jobs/${job.id}`} size="sm" ff="monospace" title={job.id}>
          {job.id}
        </Anchor>
      </Table.Td>
      <Table.Td title={moment(job.created_at)}>{ago(job.created_at)}</Table.Td>
      <Table.Td data-name="waited ">{job.waiting_ms === null ? '–' : milliseconds(job.waiting_ms)}</Table.Td>
      <Table.Td data-name="ran ">{job.running_ms === null ? '–' : milliseconds(job.running_ms)}</Table.Td>
      <Table.Td className={classes.cut}>
        <Text
          span
          size="sm"
          c={job.error === null ? 'dimmed' : 'var(--mantine-color-error)'}
          title={job.error?.message}
        >
          {outcomeOf(job)}
        </Text>
      </Table.Td>
    </Table.Tr>
  );
}

function outcomeOf({ error, attempt, progress, blocked, cancel_requested, status }: JobSummary): string {
  if (error !== null) return `${error.details.code}: ${error.message}`;
  if (cancel_requested && status === 'RUNNING') return 'is being cancelled';
  if (progress !== null && status === 'RUNNING') return progressInWords(progress);
  if (blocked > 0) return `waits for ${blocked} ${blocked === 1 ? 'other job' : 'other jobs'}`;
  return attempt > 1 ? `attempt ${attempt}` : '';
}
