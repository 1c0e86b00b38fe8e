import { Button, Group } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { IconPhotoScan, IconPower, IconRefresh } from '@tabler/icons-react';
import { useState } from 'react';
import { Link } from 'wouter';

import { canBeCalled } from '../../api/queries';
import type { PluginAnswer } from '../../api/schema';
import { ConfirmDialog } from '../../components/ConfirmDialog';
import { usePluginChange } from './queries';
import type { Change } from './queries';

interface Words {
  button: string;
  question: (name: string) => string;
  consequence: string;
  done: (name: string) => string;
}

const WORDS: Record<Change, Words> = {
  disable: {
    button: 'Disable',
    question: (name) => `Disable ${name}?`,
    consequence:
      'Calls are refused from now on, after a restart too. Calls that run now end as usual, and jobs that wait for it wait on.',
    done: (name) => `${name} is switched off`,
  },
  enable: {
    button: 'Enable',
    question: (name) => `Enable ${name}?`,
    consequence:
      'Calls are taken again at once, and jobs that wait for it begin. What was held against it is forgotten.',
    done: (name) => `${name} is switched on`,
  },
  reload: {
    button: 'Reload',
    question: (name) => `Reload ${name}?`,
    consequence:
      'Its code and plugins.toml are read anew. Fresh workers take over once one is ready; calls that run end on the old ones. If the new code cannot be loaded, nothing changes.',
    done: (name) => `${name} is loaded anew`,
  },
};

/** What can be done with a plugin: try it if it can run, switch it off or on, load it anew. Each change asks first. */
export function Changes({ plugin }: { plugin: PluginAnswer }) {
  const { name, enabled } = plugin;
  const [opened, { open, close }] = useDisclosure(false);
  const [change, setChange] = useState<Change>('reload');
  const { mutate, reset, isPending, error } = usePluginChange(name);
  const words = WORDS[change];
  const ask = (wanted: Change) => () => {
    reset();
    setChange(wanted);
    open();
  };
  const confirm = () =>
    mutate(change, {
      onSuccess: () => {
        close();
        notifications.show({ message: words.done(name), color: 'teal' });
      },
    });
  const turn: Change = enabled ? 'disable' : 'enable';
  return (
    <>
      <Group gap="xs" wrap="wrap">
        {canBeCalled(plugin) && (
          <Button
            component={Link}
            to={`/analyze?plugin=${encodeURIComponent(name)}`}
            size="xs"
            leftSection={<IconPhotoScan size={16} aria-hidden />}
            aria-label={`Try it: ${name}`}
          >
            Try it
          </Button>
        )}
        <Button
          size="xs"
          variant="default"
          onClick={ask(turn)}
          leftSection={<IconPower size={16} aria-hidden />}
          aria-label={`${WORDS[turn].button} ${name}`}
        >
          {WORDS[turn].button}
        </Button>
        <Button
          size="xs"
          variant="default"
          onClick={ask('reload')}
          leftSection={<IconRefresh size={16} aria-hidden />}
          aria-label={`Reload ${name}`}
        >
          Reload
        </Button>
      </Group>
      <ConfirmDialog
        opened={opened}
        onClose={close}
        title={words.question(name)}
        no="Leave it as it is"
        yes={words.button}
        danger={change === 'disable'}
        onConfirm={confirm}
        isPending={isPending}
        failure={error}
      >
        {words.consequence}
      </ConfirmDialog>
    </>
  );
}
