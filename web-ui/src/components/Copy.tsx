import { Button } from '@mantine/core';
import type { ButtonProps } from '@mantine/core';
import { useTimeout } from '@mantine/hooks';
import { IconCheck, IconCopy, IconX } from '@tabler/icons-react';
import { useState } from 'react';

import { copyText } from './copyText';

const SAID_MS = 2_000;
const WORDS = { ready: 'Copy', copied: 'Copied', failed: 'Not copied' } as const;
const ICONS = { ready: IconCopy, copied: IconCheck, failed: IconX } as const;

interface Props extends Pick<ButtonProps, 'size' | 'variant'> {
  text: string;
  /** What is copied, where it is not plain from the button's place. */
  what?: string;
}

/** Copies a text, and says whether it did. */
export function Copy({ text, what, size = 'xs', variant = 'default' }: Props) {
  const [state, setState] = useState<keyof typeof WORDS>('ready');
  const { start } = useTimeout(() => setState('ready'), SAID_MS);
  const Icon = ICONS[state];
  const copy = async () => {
    setState((await copyText(text)) ? 'copied' : 'failed');
    start();
  };
  return (
    <Button
      size={size}
      variant={variant}
      onClick={() => void copy()}
      leftSection={<Icon size={14} aria-hidden />}
      {...(what !== undefined && { 'aria-label': `${WORDS[state]}: ${what}` })}
    >
      {WORDS[state]}
    </Button>
  );
}
