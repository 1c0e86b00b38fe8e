import { Checkbox, Loader, Progress, Text } from '@mantine/core';

import { adviceOn } from '../components/advice';
import { milliseconds } from '../components/format';
import { progressInWords, shareOf } from '../components/progress';
import { countWords } from '../components/words';
import type { Layer } from './layers';
import classes from './Results.module.css';

interface Props {
  layers: readonly Layer[];
  hidden: ReadonlySet<string>;
  colourOf: (plugin: string) => string | null;
  onToggle: (plugin: string) => void;
}

/** The plugins that were run on the image, what became of each, and whether it is drawn. */
export function LayerList({ layers, hidden, colourOf, onToggle }: Props) {
  return (
    <ul className={classes.layers} aria-label="Plugins run on this image">
      {layers.map((layer) => (
        <li key={layer.plugin} className={classes.layer}>
          <Checkbox
            checked={layer.findings.length > 0 && !hidden.has(layer.plugin)}
            disabled={layer.findings.length === 0}
            onChange={() => onToggle(layer.plugin)}
            aria-label={`Show ${layer.plugin} on the image`}
            color={colourOf(layer.plugin) ?? undefined}
            autoContrast
            size="sm"
          />
          <Text size="sm" fw={600} className={classes.plugin} title={layer.plugin}>
            {layer.plugin}
          </Text>
          <Text
            size="xs"
            className={classes.state}
            title={stateWords(layer)}
            c={layer.state === 'failed' ? 'var(--mantine-color-error)' : 'dimmed'}
            ta="end"
            component="div"
          >
            {layer.state === 'running' && <Loader size={10} mr={6} aria-hidden />}
            {stateWords(layer)}
          </Text>
          <LayerProgress layer={layer} />
        </li>
      ))}
    </ul>
  );
}

/** The plugin's own progress, along the lower edge of its row: it takes no room of its own. */
function LayerProgress({ layer: { plugin, state, progress } }: { layer: Layer }) {
  const share = state === 'running' && progress !== null ? shareOf(progress) : null;
  if (share === null || progress === null) return null;
  return (
    <Progress.Root size={3} className={classes.layerProgress} transitionDuration={150}>
      <Progress.Section value={share} aria-label={`Progress of ${plugin}`} />
    </Progress.Root>
  );
}

function stateWords(layer: Layer): string {
  switch (layer.state) {
    case 'waiting':
      return 'waits for its turn';
    case 'running':
      if (layer.held !== null) return HELD_WORDS[layer.held];
      return layer.progress === null ? 'runs' : progressInWords(layer.progress);
    case 'cancelled':
      return 'cancelled';
    case 'failed':
      return layer.failure === null ? 'failed' : adviceOn(layer.failure).title;
    case 'done':
      return `${layer.findings.length === 0 ? 'nothing to draw' : countWords(layer.findings.length, 'finding')}${times(layer)}`;
  }
}

const HELD_WORDS = {
  server: 'waits for the server',
  key: 'waits for the API key',
  busy: 'waits: the server is busy',
};

function times({ waitingMs, runningMs }: Layer): string {
  const waited = waitingMs !== null && waitingMs >= 1 ? `waited ${milliseconds(waitingMs)}, ` : '';
  return runningMs === null ? '' : ` · ${waited}ran ${milliseconds(runningMs)}`;
}
