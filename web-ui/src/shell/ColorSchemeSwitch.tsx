import { ActionIcon, Tooltip, useMantineColorScheme } from '@mantine/core';
import type { MantineColorScheme } from '@mantine/core';
import { IconDeviceDesktop, IconMoon, IconSun } from '@tabler/icons-react';

const NEXT: Record<MantineColorScheme, MantineColorScheme> = { auto: 'light', light: 'dark', dark: 'auto' };
const NAMES: Record<MantineColorScheme, string> = { auto: 'as the system', light: 'light', dark: 'dark' };
const ICONS = { auto: IconDeviceDesktop, light: IconSun, dark: IconMoon };

/** Goes round from the system's colours to light to dark; the choice is kept in the browser. */
export function ColorSchemeSwitch() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Icon = ICONS[colorScheme];
  const said = `Colours: ${NAMES[colorScheme]}. Change to ${NAMES[NEXT[colorScheme]]}`;
  return (
    <Tooltip label={said}>
      <ActionIcon
        variant="subtle"
        color="gray"
        size="lg"
        aria-label={said}
        onClick={() => setColorScheme(NEXT[colorScheme])}
      >
        <Icon size={20} stroke={1.6} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
