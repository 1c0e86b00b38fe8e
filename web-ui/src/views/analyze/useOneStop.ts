import { useState } from 'react';
import type { FocusEvent, KeyboardEvent } from 'react';

const CONTROLS = 'input, button';
const STEPS: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1 };

/**
 * Make the controls of a group, so many, one stop of the Tab key, as a toolbar is: the arrow keys go from one to the next, and Tab
 * comes back to the one that was left.
 */
export function useOneStop(controls: number) {
  const [last, setLast] = useState(0);
  const at = Math.min(last, controls - 1);

  function onFocus({ currentTarget, target }: FocusEvent<HTMLElement>): void {
    const found = controlsOf(currentTarget).indexOf(target);
    if (found >= 0) setLast(found);
  }

  function onKeyDown(event: KeyboardEvent<HTMLElement>): void {
    const step = STEPS[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const all = controlsOf(event.currentTarget);
    const next = all[all.indexOf(event.target as HTMLElement) + step];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  }

  return { group: { onFocus, onKeyDown }, tabIndex: (control: number) => (control === at ? 0 : -1) };
}

function controlsOf(group: HTMLElement): HTMLElement[] {
  return [...group.querySelectorAll<HTMLElement>(CONTROLS)];
}
