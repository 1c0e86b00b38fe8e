import { Checkbox, Loader, Text } from '@mantine/core';

import { adviceOn } from '../components/advice';
import { milliseconds } from '../components/format';
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
            c={layer.state === 'failed' ? 'var(--mantine-color-error)' : 'dimmed'}
            ta="end"
            component="div"
          >
            {layer.state === 'running' && <Loader size={10} mr={6} aria-hidden />}
            {stateWords(layer)}
          </Text>
        </li>
      ))}
    </ul>
  );
}

function stateWords(layer: Layer): string {
  switch (layer.state) {
    case 'waiting':
      return 'waits for its turn';
    case 'running':
      return layer.held === null ? 'runs' : HELD_WORDS[layer.held];
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
