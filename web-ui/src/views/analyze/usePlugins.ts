import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';

import { canBeCalled, pluginsQuery } from '../../api/queries';
import type { PluginAnswer } from '../../api/schema';
import { check } from '../../options/check';
import type { Faults } from '../../options/check';
import { fieldsOf } from '../../options/fields';
import type { Field } from '../../options/fields';
import { changedOptions, startOf } from '../../options/values';
import type { Values } from '../../options/values';
import { useWorkbench } from '../../runs/store';

const ASK_AGAIN_MS = 10_000;

/** A plugin with the form of its options as it stands. */
export interface Offered {
  plugin: PluginAnswer;
  isUsable: boolean;
  fields: Field[];
  values: Values;
  faults: Faults;
  /** What is to be sent: the options that differ from the defaults. */
  options: Values;
}

/** Return the plugins that the server offers. They are asked for again and again: one may vanish or be switched off. */
export function usePlugins() {
  const query = useQuery({ ...pluginsQuery, refetchInterval: ASK_AGAIN_MS });
  const values = useWorkbench((bench) => bench.values);
  const offered = useMemo(
    () => (query.data ?? []).map((plugin) => offer(plugin, values[plugin.name])),
    [query.data, values],
  );
  return { ...query, offered };
}

export function offer(plugin: PluginAnswer, typed: Values | undefined): Offered {
  const fields = fieldsOf(plugin.options_schema);
  const values = { ...startOf(fields), ...typed };
  return {
    plugin,
    isUsable: canBeCalled(plugin),
    fields,
    values,
    faults: check(fields, values),
    options: changedOptions(fields, values),
  };
}
