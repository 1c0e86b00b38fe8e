import { Button, Progress, Text } from '@mantine/core';
import type { ButtonProps } from '@mantine/core';
import { IconPlayerPlay, IconPlayerStop } from '@tabler/icons-react';
import type { MouseEventHandler } from 'react';

import { countWords } from '../../components/words';
import classes from './Analyze.module.css';

export interface Progressed {
  total: number;
  ended: number;
  failed: number;
  /** How far all is, in percent. */
  share: number;
  /** What the plugin itself says, where only one call is still to end. */
  words: string | null;
}

interface Props {
  images: number;
  plugins: number;
  /** Why nothing can be run just now, or null. */
  obstacle: string | null;
  progress: Progressed | null;
  /** How many images were added since the others were run. */
  added: number;
  onRun: () => void;
  onRunAdded: () => void;
  onCancel: () => void;
}

/**
 * Runs the chosen plugins on all images; while they run it shows how far they are and offers to cancel. What was added
 * since can be run by itself, at any time.
 */
export function RunBar({ images, plugins, obstacle, progress, added, onRun, onRunAdded, onCancel }: Props) {
  return (
    <div className={classes.runBar}>
      <div className={classes.progress}>
        {progress !== null && (
          <Progress value={progress.share} size="sm" mb={4} aria-label="Progress" transitionDuration={150} />
        )}
        <div className={classes.progressWords}>
          <Text size="xs" c="dimmed" role="status">
            {progress === null
              ? (obstacle ?? `${countWords(plugins, 'plugin')} on ${countWords(images, 'image')}`)
              : `${progress.ended} of ${progress.total} done${progress.failed > 0 ? `, ${progress.failed} failed` : ''}`}
          </Text>
          {/* Outside what is read aloud by itself: it may change ten times a second. */}
          {progress?.words && (
            <Text size="xs" truncate title={progress.words}>
              {progress.words}
            </Text>
          )}
        </div>
      </div>
      {added > 0 && (
        <WideButton icon={IconPlayerPlay} variant="light" mb="xs" onClick={onRunAdded} disabled={obstacle !== null}>
          Run {countWords(added, 'new image')}
        </WideButton>
      )}
      {progress === null ? (
        <WideButton icon={IconPlayerPlay} size="md" onClick={onRun} disabled={obstacle !== null}>
          Run
        </WideButton>
      ) : (
        // It stands where Run stood: the second click of a double click is meant for that.
        <WideButton
          icon={IconPlayerStop}
          size="md"
          variant="default"
          onClick={({ detail }) => detail < 2 && onCancel()}
        >
          Cancel
        </WideButton>
      )}
    </div>
  );
}

interface WideButtonProps extends ButtonProps {
  icon: typeof IconPlayerPlay;
  onClick: MouseEventHandler<HTMLButtonElement>;
}

function WideButton({ icon: Icon, ...rest }: WideButtonProps) {
  return <Button fullWidth leftSection={<Icon size={18} aria-hidden />} {...rest} />;
}
