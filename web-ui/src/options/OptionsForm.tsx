import {
  ActionIcon,
  Button,
  Fieldset,
  Group,
  JsonInput,
  MultiSelect,
  NumberInput,
  Select,
  Stack,
  Switch,
  TagsInput,
  Text,
  TextInput,
  Textarea,
} from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import type { ReactNode } from 'react';

import type { Faults } from './check';
import { ALL_OPTIONS } from './fields';
import type { Field } from './fields';
import { NotJson, startValue } from './values';
import type { Values } from './values';

interface FormProps {
  fields: readonly Field[];
  values: Values;
  faults: Faults;
  onChange: (values: Values) => void;
  /** Names of the objects around, joined by dots and with one at the end; empty at the root. */
  place?: string;
}

/** A form for a plugin's options, made from its schema. */
export function OptionsForm({ fields, values, faults, onChange, place = '' }: FormProps) {
  return (
    <Stack gap="sm">
      {fields.map((field) => (
        <FieldInput
          key={field.name}
          field={field}
          label={labelOf(field.name)}
          place={`${place}${field.name}`}
          value={values[field.name]}
          faults={faults}
          onChange={(value) => onChange({ ...values, [field.name]: value })}
        />
      ))}
    </Stack>
  );
}

interface InputProps {
  field: Field;
  label: string;
  place: string;
  value: unknown;
  faults: Faults;
  onChange: (value: unknown) => void;
}

function FieldInput(props: InputProps) {
  const { field, label, place, value, faults, onChange } = props;
  const common = {
    label,
    description: describe(field),
    error: faults.get(place),
    required: field.required && !field.nullable,
    size: 'sm',
  };
  switch (field.kind) {
    case 'switch':
      return field.nullable ? (
        <Select
          {...common}
          data={['yes', 'no']}
          value={value === true ? 'yes' : value === false ? 'no' : null}
          placeholder="not set"
          clearable
          onChange={(chosen) => onChange(chosen === null ? null : chosen === 'yes')}
        />
      ) : (
        <Switch
          {...common}
          required={false}
          checked={value === true}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
      );
    case 'number':
      return (
        <NumberInput
          {...common}
          value={typeof value === 'number' || typeof value === 'string' ? value : ''}
          step={stepOf(field)}
          allowDecimal={!field.integer}
          // What is out of range is said, not changed under the person's hands.
          clampBehavior="none"
          placeholder={field.nullable ? 'not set' : undefined}
          onChange={(typed) => onChange(typed === '' ? (field.nullable ? null : undefined) : typed)}
        />
      );
    case 'text':
      return <TextField {...props} common={common} />;
    case 'choice':
      return (
        <Select
          {...common}
          data={field.choices.map((choice) => ({ value: JSON.stringify(choice), label: plain(choice) }))}
          value={value === null || value === undefined ? null : JSON.stringify(value)}
          placeholder="not set"
          allowDeselect={field.nullable}
          clearable={field.nullable}
          onChange={(chosen) => onChange(chosen === null ? null : JSON.parse(chosen))}
        />
      );
    case 'choices':
      return (
        <MultiSelect {...common} data={field.choices} value={asWords(value)} onChange={onChange} searchable clearable />
      );
    case 'words':
      return (
        <TagsInput {...common} value={asWords(value)} onChange={onChange} placeholder="Type, then Enter" clearable />
      );
    case 'json':
      return <JsonField {...props} common={common} />;
    case 'list':
    case 'tuple':
    case 'group':
      return field.nullable ? (
        <Stack gap="xs">
          <Switch
            label={label}
            description={field.description}
            checked={value !== null && value !== undefined}
            onChange={(event) =>
              onChange(event.currentTarget.checked ? startValue({ ...field, nullable: false }) : null)
            }
          />
          {value !== null && value !== undefined && (
            <Compound {...props} label="" field={{ ...field, description: null }} />
          )}
        </Stack>
      ) : (
        <Compound {...props} />
      );
  }
}

function Compound({ field, label, place, value, faults, onChange }: InputProps) {
  const legend = label === '' ? undefined : label;
  let content: ReactNode = null;
  if (field.kind === 'group') {
    content = (
      <OptionsForm
        fields={field.fields}
        values={(value ?? {}) as Values}
        faults={faults}
        onChange={onChange}
        place={`${place}.`}
      />
    );
  } else if (field.kind === 'tuple' || field.kind === 'list') {
    const items = Array.isArray(value) ? (value as unknown[]) : [];
    const replaced = (at: number, item: unknown) => onChange(items.map((old, index) => (index === at ? item : old)));
    content = (
      <Stack gap="xs">
        {items.map((item, at) => (
          <Group key={at} wrap="nowrap" align="flex-end" gap="xs">
            <div style={{ flex: 1 }}>
              <FieldInput
                field={(field.kind === 'tuple' ? field.items[at] : field.item) ?? field}
                label={`${label} ${at + 1}`}
                place={`${place}.${at}`}
                value={item}
                faults={faults}
                onChange={(changed) => replaced(at, changed)}
              />
            </div>
            {field.kind === 'list' && (
              <ActionIcon
                variant="default"
                size="lg"
                aria-label={`Remove ${label} ${at + 1}`}
                onClick={() => onChange(items.filter((_, index) => index !== at))}
              >
                <IconTrash size={16} aria-hidden />
              </ActionIcon>
            )}
          </Group>
        ))}
        {field.kind === 'list' && (
          <Button
            variant="default"
            size="xs"
            leftSection={<IconPlus size={14} aria-hidden />}
            onClick={() => onChange([...items, startValue(field.item)])}
          >
            Add {label.toLowerCase()}
          </Button>
        )}
      </Stack>
    );
  }
  return (
    <Fieldset legend={legend} p="sm">
      {field.description !== null && (
        <Text size="xs" c="dimmed" mb="xs">
          {field.description}
        </Text>
      )}
      {content}
      {faults.has(place) && (
        <Text size="xs" c="var(--mantine-color-error)" mt="xs">
          {faults.get(place)}
        </Text>
      )}
    </Fieldset>
  );
}

interface CommonProps {
  label: string;
  description: string | undefined;
  error: string | undefined;
  required: boolean;
  size: string;
}

function TextField({ field, value, onChange, common }: InputProps & { common: CommonProps }) {
  const Input = field.kind === 'text' && field.long ? Textarea : TextInput;
  return (
    <Input
      {...common}
      value={typeof value === 'string' ? value : ''}
      placeholder={field.nullable ? 'not set' : undefined}
      onChange={(event: { currentTarget: { value: string } }) => {
        const typed = event.currentTarget.value;
        onChange(typed === '' && field.nullable ? null : typed);
      }}
    />
  );
}

function JsonField({ value, onChange, common }: InputProps & { common: CommonProps }) {
  const [text, setText] = useState(value instanceof NotJson ? value.text : written(value));
  return (
    <JsonInput
      {...common}
      value={text}
      placeholder="JSON"
      autosize
      minRows={2}
      maxRows={12}
      onChange={(typed) => {
        setText(typed);
        onChange(read(typed));
      }}
    />
  );
}

function read(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return new NotJson(text);
  }
}

function written(value: unknown): string {
  return value === undefined ? '' : JSON.stringify(value, null, 2);
}

function describe(field: Field): string | undefined {
  const said = field.description ?? '';
  const range = field.kind === 'number' ? rangeWords(field) : '';
  return [said, range].filter((part) => part !== '').join(' ') || undefined;
}

function rangeWords({ least, most }: { least: number | null; most: number | null }): string {
  if (least !== null && most !== null) return `${least} to ${most}.`;
  if (least !== null) return `From ${least}.`;
  return most === null ? '' : `Up to ${most}.`;
}

function stepOf(field: Field & { kind: 'number' }): number {
  if (field.integer) return 1;
  const range = field.least !== null && field.most !== null ? field.most - field.least : 1;
  return range <= 2 ? 0.05 : range <= 20 ? 0.5 : 1;
}

/** Return a field's name as words: `min_score` becomes "Min score". */
export function labelOf(name: string): string {
  if (name === ALL_OPTIONS) return 'Options as JSON';
  const words = name.replaceAll('_', ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function asWords(value: unknown): string[] {
  return Array.isArray(value) ? value.map(plain) : [];
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
