import { Stack } from '@mantine/core';
import type { ReactNode } from 'react';

import { useTitle } from './useTitle';

interface Props {
  /** What the browser calls the view: in its tabs, its history, and aloud. */
  title: string;
  children: ReactNode;
}

/** The measure and the spacing of a view that is read from top to bottom. */
export function View({ title, children }: Props) {
  useTitle(title);
  return (
    <Stack gap="md" w="100%" maw="84rem" mx="auto" px={{ base: 'sm', sm: 'lg' }} py="lg">
      {children}
    </Stack>
  );
}
