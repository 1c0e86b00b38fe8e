import { Alert, Anchor, Button, Code, Group, VisuallyHidden } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { Link } from 'wouter';

import { moment } from '../../components/format';
import { readAsUtc } from './filter';
import type { JobFilter } from './filter';

interface Props {
  filter: JobFilter;
  /** What the address says beside, and nobody understands. */
  unknown: readonly string[];
  onChange: (filter: JobFilter) => void;
}

/** What only the address narrows the list by, each to be taken away; and what of it is not understood. */
export function AddressFilters({ filter, unknown, onChange }: Props) {
  const { since, until, batch } = filter;
  const without = (name: keyof JobFilter) => () => {
    const { [name]: _, ...rest } = filter;
    onChange(rest);
  };
  return (
    <>
      {unknown.length > 0 && (
        <Alert color="gray" variant="light" title="Not all of the address is understood" role="status">
          <Group gap="xs">
            {unknown.map((said) => (
              <Code key={said} style={{ overflowWrap: 'anywhere' }}>
                {said}
              </Code>
            ))}
            narrows nothing: the list shows what fits the rest.
            <Button size="compact-sm" variant="default" onClick={() => onChange(filter)}>
              Take it off
            </Button>
          </Group>
        </Alert>
      )}
      {(since ?? until ?? batch) !== undefined && (
        <Group gap="xs" role="group" aria-label="Filters of the address">
          {since !== undefined && <Removable onRemove={without('since')}>since {moment(readAsUtc(since))}</Removable>}
          {until !== undefined && <Removable onRemove={without('until')}>before {moment(readAsUtc(until))}</Removable>}
          {batch !== undefined && (
            <>
              <Removable onRemove={without('batch')}>of batch {shortened(batch)}</Removable>
              <Anchor component={Link} to={`/batches/${batch}`} size="sm" underline="always">
                How far the batch is
              </Anchor>
            </>
          )}
        </Group>
      )}
    </>
  );
}

const SHORT = 16;

function shortened(id: string): string {
  return id.length > SHORT ? `${id.slice(0, SHORT)}…` : id;
}

function Removable({ children, onRemove }: { children: ReactNode; onRemove: () => void }) {
  return (
    <Button size="compact-sm" variant="default" onClick={onRemove} rightSection={<IconX size={14} aria-hidden />}>
      {children}
      <VisuallyHidden>: take this filter away</VisuallyHidden>
    </Button>
  );
}
