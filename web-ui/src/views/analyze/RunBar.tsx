import { Button, Progress, Text } from '@mantine/core';
import { IconPlayerPlay, IconPlayerStop } from '@tabler/icons-react';

import { countWords } from '../../components/words';
import classes from './Analyze.module.css';

export interface Progressed {
  total: number;
  ended: number;
  failed: number;
}

interface Props {
  images: number;
  plugins: number;
  /** Why nothing can be run just now, or null. */
  obstacle: string | null;
  progress: Progressed | null;
  onRun: () => void;
  onCancel: () => void;
}

/** Runs the chosen plugins on all images; while they run it shows how far they are and offers to cancel. */
export function RunBar({ images, plugins, obstacle, progress, onRun, onCancel }: Props) {
  const share = progress === null || progress.total === 0 ? 0 : (100 * progress.ended) / progress.total;
  return (
    <div className={classes.runBar}>
      <div className={classes.progress} role="status">
        {progress !== null ? (
          <>
            <Progress value={share} size="sm" aria-label="Progress" transitionDuration={150} />
            <Text size="xs" c="dimmed" mt={4}>
              {progress.ended} of {progress.total} done
              {progress.failed > 0 && `, ${progress.failed} failed`}
            </Text>
          </>
        ) : (
          <Text size="xs" c="dimmed">
            {obstacle ?? `${countWords(plugins, 'plugin')} on ${countWords(images, 'image')}`}
          </Text>
        )}
      </div>
      {progress === null ? (
        <Button
          fullWidth
          size="md"
          leftSection={<IconPlayerPlay size={18} aria-hidden />}
          onClick={onRun}
          disabled={obstacle !== null}
        >
          Run
        </Button>
      ) : (
        <Button
          fullWidth
          size="md"
          variant="default"
          leftSection={<IconPlayerStop size={18} aria-hidden />}
          onClick={onCancel}
        >
          Cancel
        </Button>
      )}
    </div>
  );
}
