import { create } from 'zustand';

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 5_000;

interface Connection {
  state: 'up' | 'down';
  /** Counts the times that the server came back: what was asked before is to be asked anew. */
  returns: number;
}

export const useConnection = create<Connection>(() => ({ state: 'up', returns: 0 }));

/** Note that the server cannot be reached, and look for it until it is back. */
export function connectionLost(): void {
  if (useConnection.getState().state === 'down') return;
  useConnection.setState({ state: 'down' });
  lookLater(FIRST_WAIT_MS);
}

/** Note that the server has answered. */
export function connectionHeld(): void {
  const { state, returns } = useConnection.getState();
  if (state === 'down') useConnection.setState({ state: 'up', returns: returns + 1 });
}

/** Resolve when the server can be reached; rejects with the signal's reason. */
export function untilConnected(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      if (useConnection.getState().state === 'up') done(resolve);
    };
    const abort = () => done(() => reject(signal.reason as Error));
    const stop = useConnection.subscribe(settle);
    signal.addEventListener('abort', abort);
    const done = (end: () => void) => {
      stop();
      signal.removeEventListener('abort', abort);
      end();
    };
    if (signal.aborted) abort();
    else settle();
  });
}

function lookLater(wait_ms: number): void {
  setTimeout(() => void look(wait_ms), wait_ms);
}

async function look(waited_ms: number): Promise<void> {
  if (useConnection.getState().state === 'up') return;
  try {
    const answer = await fetch(new URL('/health/live', window.location.origin), { cache: 'no-store' });
    if (answer.ok) {
      connectionHeld();
      return;
    }
  } catch {
    // Still gone.
  }
  lookLater(Math.min(waited_ms * 1.5, LONGEST_WAIT_MS));
}
