import { Button, Group, Modal } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { IconPlayerStop, IconRepeat } from '@tabler/icons-react';
import { useLocation } from 'wouter';

import type { JobAnswer } from '../../api/schema';
import { ConfirmDialog } from '../../components/ConfirmDialog';
import { ErrorMessage } from '../../components/ErrorMessage';
import { hasEnded } from './filter';
import { useCancel, useRequeue } from './queries';

/** Cancel a job that has not ended; run the work of one that has once more, if its image was kept. */
export function JobActions({ job }: { job: JobAnswer }) {
  return (
    <Group gap="xs">{hasEnded(job) ? job.inputs.length > 0 && <RunAgain job={job} /> : <Cancel job={job} />}</Group>
  );
}

function RunAgain({ job }: { job: JobAnswer }) {
  const [, navigate] = useLocation();
  const { mutate, isPending, error, reset } = useRequeue(job.id);
  const again = () =>
    mutate(undefined, {
      onSuccess: ({ id }) => {
        notifications.show({ message: 'It is accepted as a new job', color: 'teal' });
        navigate(`/jobs/${id}`);
      },
    });
  return (
    <>
      <Button size="xs" onClick={again} loading={isPending} leftSection={<IconRepeat size={16} aria-hidden />}>
        Run again
      </Button>
      <Modal opened={error !== null} onClose={reset} title="It cannot be run again" centered>
        {error !== null && <ErrorMessage failure={error} />}
      </Modal>
    </>
  );
}

function Cancel({ job }: { job: JobAnswer }) {
  const [opened, { open, close }] = useDisclosure(false);
  const { mutate, isPending, error, reset } = useCancel(job.id);
  const ask = () => {
    reset();
    open();
  };
  return (
    <>
      <Button
        size="xs"
        variant="default"
        onClick={ask}
        disabled={job.cancel_requested}
        leftSection={<IconPlayerStop size={16} aria-hidden />}
      >
        {job.cancel_requested ? 'Being cancelled' : 'Cancel'}
      </Button>
      <ConfirmDialog
        opened={opened}
        onClose={close}
        title="Cancel this job?"
        no="Let it go on"
        yes="Cancel the job"
        danger
        onConfirm={() => mutate(undefined, { onSuccess: close })}
        isPending={isPending}
        failure={error}
      >
        {job.status === 'RUNNING'
          ? 'Its worker is ended at once. What it has done so far is lost.'
          : 'It will not run. Jobs that need it fail.'}
      </ConfirmDialog>
    </>
  );
}
