import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';

import { ErrorMessage } from './ErrorMessage';

interface Props {
  opened: boolean;
  onClose: () => void;
  /** The question. */
  title: string;
  /** What comes of it. */
  children: ReactNode;
  /** The buttons: the one that changes nothing, and the one that does it. */
  no: string;
  yes: string;
  /** What is done is lost for somebody. */
  danger?: boolean;
  onConfirm: () => void;
  isPending: boolean;
  /** Why it could not be done, or null. */
  failure: unknown;
}

/** Asks before something is done that cannot be taken back, and stays open if it fails. */
export function ConfirmDialog(props: Props) {
  const { opened, onClose, title, children, no, yes, danger = false, onConfirm, isPending, failure } = props;
  return (
    <Modal opened={opened} onClose={onClose} title={title} centered>
      <Stack>
        <Text size="sm">{children}</Text>
        {failure !== null && <ErrorMessage failure={failure} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            {no}
          </Button>
          <Button onClick={onConfirm} loading={isPending} {...(danger && { color: 'red' })} data-autofocus>
            {yes}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
