import { progressInWords, shareOf } from '../../components/progress';
import type { Run } from '../../runs/store';
import type { Progressed } from './RunBar';
import type { Offered } from './usePlugins';

/** Return why nothing can be run, in words, or null if it can. */
export function obstacleOf(
  images: number,
  chosen: readonly string[],
  selected: readonly Offered[],
  isVanished: boolean,
): string | null {
  if (images === 0) return 'Add an image to begin.';
  if (chosen.length === 0) return 'Choose a plugin.';
  if (isVanished) return 'A chosen plugin is not there any more. Take it off.';
  if (selected.length === 0) return 'Waiting for the plugins.';
  const faulty = selected.find(({ faults }) => faults.size > 0);
  if (faulty !== undefined) return `Mend the options of ${faulty.plugin.name}.`;
  const unusable = selected.find(({ isUsable }) => !isUsable);
  return unusable === undefined ? null : `${unusable.plugin.name} cannot run now. Take it off.`;
}

/** Return how far the runs are, with what the plugins say of their own progress; null if all have ended. */
export function progressOf(runs: ReadonlyMap<string, Run>): Progressed | null {
  const all = [...runs.values()];
  const open = all.filter(({ state }) => state === 'waiting' || state === 'running');
  const [first] = open;
  if (first === undefined) return null;
  const ended = all.length - open.length;
  const begun = open.reduce((sum, { progress }) => sum + ((progress && shareOf(progress)) ?? 0), 0);
  return {
    total: all.length,
    ended,
    failed: all.filter(({ state }) => state === 'failed').length,
    share: (100 * ended + begun) / all.length,
    words: open.length === 1 && first.progress !== null ? progressInWords(first.progress) : null,
  };
}

/** Return the plugins to begin with: the first that can run and draws something, so that a newcomer sees what this is. */
export function firstChoice(offered: readonly Offered[]): string[] {
  const usable = offered.filter(({ isUsable }) => isUsable);
  const drawing = usable.find(({ plugin }) =>
    /"const":\s*"(text|box|polygon)"/.test(JSON.stringify(plugin.result_schema)),
  );
  const first = usable.find(({ plugin }) => plugin.name === 'ocr') ?? drawing ?? usable[0];
  return first === undefined ? [] : [first.plugin.name];
}
