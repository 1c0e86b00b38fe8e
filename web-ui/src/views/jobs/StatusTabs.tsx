import { SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { count } from '../../components/format';
import { STATUS_WORDS } from './StatusBadge';
import { STATUSES, withStatus } from './filter';
import type { JobFilter, JobQuery } from './filter';
import { countsQuery } from './queries';
import classes from './StatusTabs.module.css';

interface Props {
  filter: JobFilter;
  query: JobQuery;
  onChange: (filter: JobFilter) => void;
}

/** Narrows the list to a status, and tells how many jobs have each. */
export function StatusTabs({ filter, query, onChange }: Props) {
  const { data } = useQuery(countsQuery(query));
  const label = (word: string, number: number | undefined) => (
    <span className={classes.label}>
      {word} <span className={classes.count}>{number === undefined ? '' : count(number)}</span>
    </span>
  );
  return (
    <div>
      <SegmentedControl
        classNames={{ root: classes.tabs, control: classes.tab }}
        withItemsBorders={false}
        aria-label="Status"
        value={filter.status ?? 'all'}
        onChange={(chosen) => {
          onChange(
            withStatus(
              filter,
              STATUSES.find((known) => known === chosen),
            ),
          );
        }}
        data={[
          { value: 'all', label: label('all', data?.total) },
          ...STATUSES.map((status) => ({
            value: status,
            label: label(STATUS_WORDS[status], data && (data.counts[status] ?? 0)),
          })),
        ]}
      />
    </div>
  );
}
