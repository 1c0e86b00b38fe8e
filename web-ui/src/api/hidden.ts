import { useSyncExternalStore } from 'react';

/** Whether the tab is out of sight: another one is before it, or the window is put away. */
export function useIsHidden(): boolean {
  return useSyncExternalStore(subscribe, isHidden);
}

function isHidden(): boolean {
  return document.visibilityState === 'hidden';
}

function subscribe(onChange: () => void): () => void {
  document.addEventListener('visibilitychange', onChange);
  return () => document.removeEventListener('visibilitychange', onChange);
}
