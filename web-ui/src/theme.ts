import { createTheme } from '@mantine/core';

/** The page's looks; colours are chosen so that text keeps a contrast of 4.5 to 1 in both schemes. */
export const theme = createTheme({
  primaryColor: 'cyan',
  primaryShade: { light: 9, dark: 9 },
  defaultRadius: 'md',
  cursorType: 'pointer',
  headings: { fontWeight: '600' },
  respectReducedMotion: true,
});
