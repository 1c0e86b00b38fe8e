import { Badge, Center, Loader, NativeSelect, Slider, Stack, Tabs, Text } from '@mantine/core';
import { Suspense, lazy, useMemo, useState } from 'react';
import type { ReactNode } from 'react';

import type { CallFailed } from '../api/failure';
import { ErrorMessage } from '../components/ErrorMessage';
import { Loading } from '../components/Loading';
import { usePicture } from '../images/usePicture';
import { Viewer } from '../viewer/Viewer';
import { CallPanel } from './CallPanel';
import { Downloads } from './Downloads';
import type { Analysis } from './Downloads';
import { FindingsTable } from './FindingsTable';
import { bounding, isSure } from './findings';
import type { Finding } from './findings';
import { LayerList } from './LayerList';
import { colouring } from './layers';
import type { Layer } from './layers';
import classes from './Results.module.css';
import { ValuesTable } from './ValuesTable';

const JsonPanel = lazy(() => import('./JsonPanel').then(({ JsonPanel: component }) => ({ default: component })));

interface Props {
  /** The image's name, as a file. */
  name: string;
  /** The image, or null if it is not kept. */
  file: Blob | null;
  layers: readonly Layer[];
  /** Other images with results, for downloads of all. */
  others?: (() => readonly Analysis[]) | undefined;
  onRetry?: ((plugin: string) => void) | undefined;
  /** Whether a plugin can run now: what cannot is not to be tried again. */
  canRun?: ((plugin: string) => boolean) | undefined;
  /** What the panel says before there is anything. */
  empty?: ReactNode;
}

/** An image with what plugins found in it: the picture, and beside it lists, values, JSON and the call. */
export function Results({ name, file, layers, others, onRetry, canRun = () => true, empty }: Props) {
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [leastScore, setLeastScore] = useState(0);
  const [hovered, setHovered] = useState<string | null>(null);
  const [selected, setSelected] = useState<string | null>(null);
  const decoded = usePicture(file);
  const picture = typeof decoded === 'string' ? null : decoded;

  const colours = useMemo(() => colouring(layers), [layers]);
  const drawn = useMemo(
    () =>
      layers.flatMap(({ plugin, findings }) =>
        hidden.has(plugin) ? [] : findings.filter((finding) => isSure(finding, leastScore)),
      ),
    [layers, hidden, leastScore],
  );
  const size = useMemo(() => picture ?? extentOf(layers), [picture, layers]);
  const all = layers.flatMap(({ findings }) => findings);
  const mostScore = all.reduce((most, { score }) => Math.max(most, score ?? 0), 1);
  const isScored = all.some(({ score }) => score !== null);
  const isShown = decoded !== null || file === null;
  const failures = useMemo(() => groupFailures(layers), [layers]);
  const shown = { name, file, width: picture?.width ?? null, height: picture?.height ?? null, layers };
  const marks = { hovered, selected, onHover: setHovered, onSelect: setSelected, colourOf: colours.ofFinding };

  function toggle(plugin: string): void {
    const next = new Set(hidden);
    if (!next.delete(plugin)) next.add(plugin);
    setHidden(next);
  }

  function retryOf(plugins: readonly string[]): (() => void) | undefined {
    return onRetry === undefined || plugins.length === 0 ? undefined : () => plugins.forEach(onRetry);
  }

  return (
    <>
      <section className={classes.viewer} aria-label="Image">
        {isShown ? (
          <Viewer name={name} picture={picture} size={size} findings={drawn} {...marks}>
            {typeof decoded === 'string' && <Note reason={decoded} />}
            {file === null && <Note reason="not kept" />}
          </Viewer>
        ) : (
          <Center flex={1} role="status" aria-label="Loading the image">
            <Loader aria-hidden />
          </Center>
        )}
      </section>
      <section className={classes.panel} aria-label="Results">
        <div className={classes.panelHead}>
          <Text fw={600} size="sm" className={classes.fileName} title={name}>
            {name}
          </Text>
          <Downloads shown={shown} all={others?.() ?? []} drawn={drawn} colourOf={colours.ofFinding} />
        </div>
        {layers.length === 0 && <div className={classes.padded}>{empty}</div>}
        {layers.length > 0 && (
          <LayerList layers={layers} hidden={hidden} colourOf={colours.ofPlugin} onToggle={toggle} />
        )}
        {failures.length > 0 && (
          <Stack p="sm" gap="sm" className={classes.failures} data-alone={all.length === 0 || undefined}>
            {failures.map(({ plugins, failure }) => (
              <ErrorMessage
                key={plugins.join()}
                failure={failure}
                subject={plugins.join(', ')}
                onRetry={retryOf(plugins.filter(canRun))}
              />
            ))}
          </Stack>
        )}
        {isScored && (
          <div className={classes.confidence}>
            <Text size="xs" c="dimmed" id="least-confidence">
              Confidence at least
            </Text>
            <Slider
              flex={1}
              size="sm"
              min={0}
              max={mostScore}
              step={mostScore / 100}
              value={leastScore}
              onChange={setLeastScore}
              label={null}
              thumbLabel="Confidence at least"
            />
            <Text size="xs" ff="monospace">
              {leastScore.toFixed(2)}
            </Text>
          </div>
        )}
        {layers.some(({ result }) => result !== null) && (
          <ResultTabs
            key={file === null ? name : undefined}
            name={name}
            file={file}
            layers={layers}
            drawn={drawn}
            all={all}
            marks={marks}
          />
        )}
      </section>
    </>
  );
}

interface Marks {
  hovered: string | null;
  selected: string | null;
  onHover: (id: string | null) => void;
  onSelect: (id: string | null) => void;
  colourOf: (finding: Finding) => string;
}

interface TabsProps {
  name: string;
  file: Blob | null;
  layers: readonly Layer[];
  drawn: readonly Finding[];
  all: readonly Finding[];
  marks: Marks;
}

function ResultTabs({ name, file, layers, drawn, all, marks }: TabsProps) {
  const done = layers.filter(({ result }) => result !== null);
  const [chosen, setChosen] = useState<string | null>(null);
  const [tab, setTab] = useState<string | null>(null);
  const layer =
    done.find(({ plugin }) => plugin === chosen) ?? done.find(({ findings }) => findings.length > 0) ?? done[0];
  if (layer === undefined) return null;
  // What has nothing to draw is told by its values.
  const first = all.length > 0 ? 'findings' : 'values';
  const which = done.length > 1 && (
    <NativeSelect
      size="xs"
      px="md"
      pt="sm"
      aria-label="Plugin"
      value={layer.plugin}
      onChange={(event) => setChosen(event.currentTarget.value)}
      data={done.map(({ plugin }) => plugin)}
    />
  );
  return (
    <Tabs value={tab ?? first} onChange={setTab} keepMounted={false} className={classes.tabs}>
      <Tabs.List>
        <Tabs.Tab
          value="findings"
          rightSection={
            <Badge size="xs" variant="default" tt="none">
              {counted(drawn, all)}
            </Badge>
          }
        >
          Findings
        </Tabs.Tab>
        <Tabs.Tab value="values">Values</Tabs.Tab>
        <Tabs.Tab value="json">JSON</Tabs.Tab>
        <Tabs.Tab value="call">Call</Tabs.Tab>
      </Tabs.List>
      <Tabs.Panel value="findings" className={classes.tab}>
        {drawn.length > 0 ? (
          <FindingsTable findings={drawn} {...marks} />
        ) : (
          <Text size="sm" c="dimmed" p="md">
            {all.length === 0
              ? 'Nothing was found that could be drawn. The values may say more.'
              : 'Nothing is left at this confidence and with these plugins.'}
          </Text>
        )}
      </Tabs.Panel>
      <Tabs.Panel value="values" className={classes.tab}>
        {which}
        <ValuesTable result={layer.result} />
      </Tabs.Panel>
      <Tabs.Panel value="json" className={classes.tab}>
        {which}
        <Suspense fallback={<Loading />}>
          <JsonPanel result={layer.result ?? {}} />
        </Suspense>
      </Tabs.Panel>
      <Tabs.Panel value="call" className={classes.tab}>
        {which}
        <CallPanel layer={layer} name={name} mimeType={file?.type ?? ''} />
      </Tabs.Panel>
    </Tabs>
  );
}

function counted(drawn: readonly Finding[], all: readonly Finding[]): string {
  const total = all.length.toLocaleString('en');
  return drawn.length === all.length ? total : `${drawn.length.toLocaleString('en')} of ${total}`;
}

interface Failures {
  plugins: string[];
  failure: CallFailed;
}

/** A broken image fails with every plugin in the same way: that is said once. */
function groupFailures(layers: readonly Layer[]): Failures[] {
  const groups = new Map<string, Failures>();
  for (const { plugin, failure } of layers) {
    if (failure === null) continue;
    const key = `${failure.code} ${failure.message}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { plugins: [plugin], failure });
    else group.plugins.push(plugin);
  }
  return [...groups.values()];
}

const NOTES = {
  tiff: 'Browsers do not show TIFF. The plugins do read it: what they find is drawn here without the image.',
  broken: 'The browser cannot show this file. It may be broken, or no image at all.',
  'not kept': 'The image was not kept. What was found in it is drawn without it.',
};

function Note({ reason }: { reason: keyof typeof NOTES }) {
  return (
    <div className={classes.note} role="note">
      {NOTES[reason]}
    </div>
  );
}

/** Return a size that holds all findings, for an image that is not shown. */
function extentOf(layers: readonly Layer[]): { width: number; height: number } {
  const corners = layers.flatMap(({ findings }) =>
    findings.flatMap(({ outline, keypoints }) => [...outline, ...keypoints]),
  );
  const { x, y, width, height } = bounding([{ x: 0, y: 0 }, { x: 640, y: 480 }, ...corners]);
  return { width: x + width, height: y + height };
}
