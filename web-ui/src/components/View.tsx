import { Stack } from '@mantine/core';
import type { ReactNode } from 'react';

/** The measure and the spacing of a view that is read from top to bottom. */
export function View({ children }: { children: ReactNode }) {
  return (
    <Stack gap="md" w="100%" maw="84rem" mx="auto" px={{ base: 'sm', sm: 'lg' }} py="lg">
      {children}
    </Stack>
  );
}
