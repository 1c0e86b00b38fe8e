import { create } from 'zustand';

const PLACE = 'sightgate.key';

interface KeyState {
  /** The API key, or null if none was given. It lives as long as the tab. */
  key: string | null;
  /** The server has refused a call for want of a valid key. */
  needed: boolean;
  /** The person has closed the question for now. */
  putOff: boolean;
}

export const useKey = create<KeyState>(() => ({ key: sessionStorage.getItem(PLACE), needed: false, putOff: false }));

/** Keep a key that the server has taken. */
export function keepKey(key: string): void {
  sessionStorage.setItem(PLACE, key);
  useKey.setState({ key, needed: false, putOff: false });
}

/** Note that the server wants another key than the one that was sent. */
export function keyRefused(sent: string | null): void {
  // A slow answer to a call with an older key says nothing of the one that has been given since.
  if (sent === useKey.getState().key) useKey.setState({ needed: true });
}

export function putOffKey(): void {
  useKey.setState({ putOff: true });
}

/** Ask for the key again, after it was put off. */
export function askForKey(): void {
  useKey.setState({ needed: true, putOff: false });
}

/** Resolve when another key is there; rejects with `refusal` if the person puts the question off, or if aborted. */
export function untilKey(signal: AbortSignal, refusal: Error): Promise<void> {
  const before = useKey.getState().key;
  return new Promise((resolve, reject) => {
    const look = () => {
      const { key, putOff } = useKey.getState();
      if (key !== before) done(resolve);
      else if (putOff) done(() => reject(refusal));
    };
    const abort = () => done(() => reject(signal.reason as Error));
    const stop = useKey.subscribe(look);
    signal.addEventListener('abort', abort);
    const done = (end: () => void) => {
      stop();
      signal.removeEventListener('abort', abort);
      end();
    };
    if (signal.aborted) abort();
    else look();
  });
}
