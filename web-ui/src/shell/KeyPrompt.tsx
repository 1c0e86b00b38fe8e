import { Alert, Button, Group, Modal, PasswordInput, Stack, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';

import { dataOf, client } from '../api/client';
import { CallFailed, asFailure } from '../api/failure';
import { keepKey, putOffKey, useKey } from '../api/key';

/** Asks for the API key when the server has refused a call without it, or with one that holds no more. */
export function KeyPrompt() {
  const { needed, putOff, key } = useKey();
  const [typed, setTyped] = useState('');
  const check = useMutation({
    mutationFn: async (candidate: string) => {
      await dataOf(client.GET('/v1/plugins', { headers: { Authorization: `Bearer ${candidate}` } }));
      return candidate;
    },
    onSuccess: (taken) => {
      keepKey(taken);
      setTyped('');
    },
  });
  const failure = check.isError ? asFailure(check.error) : null;
  return (
    <Modal opened={needed && !putOff} onClose={putOffKey} title="This server wants an API key" centered>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          check.mutate(typed.trim());
        }}
      >
        <Stack>
          <Text size="sm">
            {key === null
              ? 'Whoever runs the server has the key: it is what they set as SIGHTGATE_API_KEY.'
              : 'The key that you gave is not taken any more. Ask whoever runs the server for the present one.'}
          </Text>
          <PasswordInput
            label="API key"
            description="Kept in this tab until you close it."
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            error={failure?.status === 401 ? 'The server does not take this key.' : undefined}
            autoComplete="off"
            data-autofocus
            required
          />
          {failure !== null && failure.status !== 401 && <Alert color="red">{wordsOf(failure)}</Alert>}
          <Group justify="flex-end">
            <Button variant="default" onClick={putOffKey}>
              Not now
            </Button>
            <Button type="submit" loading={check.isPending} disabled={typed.trim() === ''}>
              Use this key
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

function wordsOf(failure: CallFailed): string {
  return failure.code === 'server_unreachable' ? 'The server does not answer just now. Try again.' : failure.message;
}
