import { Button, Group, Select, TextInput } from '@mantine/core';
import type { SelectProps } from '@mantine/core';
import { useDebouncedCallback, useDisclosure, useId } from '@mantine/hooks';
import { IconAdjustmentsHorizontal, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';

import { pluginsQuery } from '../../api/queries';
import { SERVER_CODES } from '../../components/advice';
import { PERIODS, withError } from './filter';
import type { JobFilter } from './filter';
import classes from './Filters.module.css';

const TYPED_OUT_MS = 300;

interface Props {
  filter: JobFilter;
  onChange: (filter: JobFilter) => void;
}

const KINDS = [
  { value: 'true', label: 'accepted jobs' },
  { value: 'false', label: 'waiting calls' },
];

/** Those of a filter that are folded away where there is little room. */
const FOLDED = ['plugin', 'error_code', 'period', 'durable'] as const;

/** Narrows the list: by text, plugin, error, time and kind. On a small screen all but the text is folded away. */
export function Filters({ filter, onChange }: Props) {
  const { data: plugins } = useQuery(pluginsQuery);
  const set = (name: keyof JobFilter, value: string | null) => {
    const { [name]: _, ...rest } = filter;
    onChange(value ? { ...rest, [name]: value } : rest);
  };
  const [isOpen, { toggle }] = useDisclosure(false);
  const id = useId();
  const folded = FOLDED.filter((name) => filter[name] !== undefined).length;
  const names = [...new Set([...(plugins ?? []).map(({ name }) => name), ...(filter.plugin ? [filter.plugin] : [])])];
  return (
    <Group gap="sm" align="flex-end" role="search" aria-label="Jobs">
      <SearchInput value={filter.q ?? ''} onChange={(value) => set('q', value)} />
      <Button
        className={classes.unfold}
        variant="default"
        leftSection={<IconAdjustmentsHorizontal size={16} aria-hidden />}
        aria-expanded={isOpen}
        aria-controls={id}
        onClick={toggle}
      >
        Filters{folded > 0 && ` (${folded})`}
      </Button>
      <Group id={id} gap="sm" className={classes.folded} data-open={isOpen || undefined}>
        <Choice
          name="Plugin"
          value={filter.plugin}
          data={names.sort()}
          onChange={(value) => set('plugin', value)}
          searchable
          width="11rem"
        />
        <Choice
          name="Error"
          value={filter.error_code}
          data={[...SERVER_CODES]}
          onChange={(value) => onChange(withError(filter, value))}
          searchable
          width="12rem"
        />
        <Choice
          name="Time"
          value={filter.period}
          data={PERIODS}
          onChange={(value) => set('period', value)}
          width="11rem"
        />
        <Choice
          name="Kind"
          value={filter.durable}
          data={KINDS}
          onChange={(value) => set('durable', value)}
          width="10rem"
        />
      </Group>
    </Group>
  );
}

interface ChoiceProps extends Pick<SelectProps, 'data' | 'onChange' | 'searchable'> {
  name: string;
  value: string | undefined;
  width: string;
}

/** Narrows the list by one value, or by any. */
function Choice({ name, value, width, ...rest }: ChoiceProps) {
  return (
    <Select
      aria-label={name}
      placeholder={`Any ${name.toLowerCase()}`}
      value={value ?? null}
      clearable
      w={{ base: '100%', xs: width }}
      {...rest}
    />
  );
}

/** Asks only when nothing has been typed for a moment. */
function SearchInput({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value);
  const [told, setTold] = useState(value);
  const tell = useDebouncedCallback((said: string) => {
    setTold(said);
    onChange(said);
  }, TYPED_OUT_MS);
  if (value !== told) {
    // The address was changed from elsewhere: by the back button, or a link.
    setTold(value);
    setTyped(value);
  }
  return (
    <TextInput
      type="search"
      aria-label="Search by job id or plugin"
      placeholder="Job id or plugin"
      leftSection={<IconSearch size={16} aria-hidden />}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        tell(event.currentTarget.value.trim());
      }}
      className={classes.search}
    />
  );
}
