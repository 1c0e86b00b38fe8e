import { useInterval } from '@mantine/hooks';
import { useState } from 'react';

/** The time (milliseconds since 1970), anew every so often: what says how long ago something was must not stand still. */
export function useNow(every_ms: number): number {
  const [now, setNow] = useState(() => Date.now());
  useInterval(() => setNow(Date.now()), every_ms, { autoInvoke: true });
  return now;
}
