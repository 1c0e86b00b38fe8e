import { Center, Loader } from '@mantine/core';

/** What stands in a view's place while it loads. */
export function Loading({ label = 'Loading' }: { label?: string }) {
  return (
    <Center flex={1} mih="16rem" role="status" aria-label={label}>
      <Loader type="dots" aria-hidden />
    </Center>
  );
}
