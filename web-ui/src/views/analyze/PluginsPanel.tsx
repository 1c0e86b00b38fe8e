import { ActionIcon, Badge, Button, Checkbox, Collapse, Kbd, Skeleton, Text, Tooltip } from '@mantine/core';
import { IconAdjustmentsHorizontal } from '@tabler/icons-react';
import { Suspense, lazy, useEffect, useRef, useState } from 'react';

import { ErrorMessage } from '../../components/ErrorMessage';
import { choose, setValues, useWorkbench } from '../../runs/store';
import classes from './Analyze.module.css';
import { useOneStop } from './useOneStop';
import type { Offered } from './usePlugins';

const OptionsForm = lazy(() =>
  import('../../options/OptionsForm').then(({ OptionsForm: form }) => ({ default: form })),
);

interface Props {
  offered: readonly Offered[];
  isPending: boolean;
  error: unknown;
  onRetry: () => void;
}

/** The plugins to choose from, each with the form of its options. */
export function PluginsPanel({ offered, isPending, error, onRetry }: Props) {
  const chosen = useWorkbench((bench) => bench.chosen);
  const names = offered.map(({ plugin }) => plugin.name);
  const vanished = isPending ? [] : chosen.filter((name) => !names.includes(name));
  const usable = offered.filter(({ isUsable }) => isUsable);
  const unusable = offered.filter(({ isUsable }) => !isUsable);

  const list = useRef<HTMLDivElement>(null);
  const isByHand = useRef(false);
  useEffect(() => {
    if (!isByHand.current && !isPending) bringIntoSight(list.current);
    isByHand.current = false;
  }, [chosen, isPending]);

  function toggle(name: string): void {
    isByHand.current = true;
    choose(chosen.includes(name) ? chosen.filter((other) => other !== name) : [...chosen, name]);
  }

  return (
    <section className={classes.section} aria-labelledby="plugins-head">
      <div className={classes.sectionHead}>
        <h2 id="plugins-head">Plugins</h2>
        {chosen.length > 0 && (
          <Text size="xs" c="dimmed">
            {chosen.length} chosen
          </Text>
        )}
      </div>
      <div ref={list} className={classes.plugins}>
        {isPending && <PluginSkeletons />}
        {error !== null && offered.length === 0 && !isPending && (
          <div className={classes.inset}>
            <ErrorMessage failure={error} onRetry={onRetry} />
          </div>
        )}
        {!isPending && error === null && offered.length === 0 && (
          <Text size="sm" c="dimmed" className={classes.inset}>
            This server has no plugins yet.
          </Text>
        )}
        {offered.length > 0 &&
          vanished.map((name) => (
            <div key={name} className={classes.vanished} role="status">
              <Text size="sm">
                <strong>{name}</strong> is not there any more.
              </Text>
              <Button size="compact-xs" variant="default" onClick={() => toggle(name)}>
                Take it off
              </Button>
            </div>
          ))}
        {[...usable, ...unusable].map((offer) => (
          <PluginRow
            key={offer.plugin.name}
            offer={offer}
            isChosen={chosen.includes(offer.plugin.name)}
            onToggle={() => toggle(offer.plugin.name)}
          />
        ))}
      </div>
    </section>
  );
}

/** Scroll the list alone to the first plugin that is chosen: a link, or a visit before, may have chosen one far below. */
function bringIntoSight(list: HTMLElement | null): void {
  const row = list?.querySelector<HTMLElement>('[data-chosen]')?.getBoundingClientRect();
  const room = list?.getBoundingClientRect();
  if (list === null || row === undefined || room === undefined) return;
  if (row.bottom > room.bottom || row.top < room.top) list.scrollTop += row.top - room.top;
}

function PluginRow({ offer, isChosen, onToggle }: { offer: Offered; isChosen: boolean; onToggle: () => void }) {
  const { plugin, fields, values, faults, options, isUsable } = offer;
  const [isOpen, setOpen] = useState(false);
  const changed = Object.keys(options).length;
  const hasOptions = fields.length > 0 && isUsable;
  const stop = useOneStop(hasOptions ? 2 : 1);
  // What is wrong with an option must not stay folded away.
  const isShown = isOpen || (isChosen && faults.size > 0);
  const [wasShown, setWasShown] = useState(isShown);
  if (isShown && !wasShown) setWasShown(true);
  return (
    <div className={classes.pluginRow} data-chosen={isChosen || undefined}>
      <div
        className={classes.pluginHead}
        {...stop.group}
        {...(hasOptions && { role: 'toolbar', 'aria-label': plugin.name })}
      >
        <Checkbox
          className={classes.pluginChoice}
          tabIndex={stop.tabIndex(0)}
          checked={isChosen}
          onChange={onToggle}
          disabled={!isUsable && !isChosen}
          label={plugin.name}
          description={isUsable ? plugin.description : (plugin.reason ?? 'It cannot run now.')}
          error={isChosen && !isUsable ? 'It cannot run now.' : undefined}
        />
        {hasOptions && (
          <Kbd size="xs" className={classes.reach} aria-hidden>
            →
          </Kbd>
        )}
        {hasOptions && (
          <Tooltip label="Options">
            <ActionIcon
              variant={isShown ? 'light' : 'subtle'}
              color="gray"
              size="lg"
              tabIndex={stop.tabIndex(1)}
              aria-label={`Options of ${plugin.name}`}
              aria-expanded={isShown}
              onClick={() => setOpen(!isShown)}
            >
              <IconAdjustmentsHorizontal size={18} stroke={1.7} aria-hidden />
              {changed > 0 && <span className={classes.changed} aria-hidden />}
            </ActionIcon>
          </Tooltip>
        )}
      </div>
      {fields.length > 0 && (
        <Collapse expanded={isShown}>
          <div className={classes.options}>
            {wasShown && (
              <Suspense fallback={<Skeleton height={fields.length * 72} />}>
                <OptionsForm
                  fields={fields}
                  values={values}
                  faults={faults}
                  onChange={(typed) => setValues(plugin.name, typed)}
                />
              </Suspense>
            )}
            <div className={classes.optionsFoot}>
              {changed > 0 ? (
                <Badge variant="light" tt="none" flex="none">
                  {changed} changed
                </Badge>
              ) : (
                <span />
              )}
              <Button
                size="compact-xs"
                variant="subtle"
                disabled={changed === 0 && faults.size === 0}
                onClick={() => setValues(plugin.name, {})}
              >
                Back to the defaults
              </Button>
            </div>
          </div>
        </Collapse>
      )}
    </div>
  );
}

function PluginSkeletons() {
  return (
    <div role="status" aria-label="Loading the plugins">
      {[1, 2, 3, 4].map((row) => (
        <div key={row} className={classes.pluginRow}>
          <Skeleton height={14} width="40%" mb={8} />
          <Skeleton height={10} width="80%" />
        </div>
      ))}
    </div>
  );
}
