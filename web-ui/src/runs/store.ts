import { create } from 'zustand';

import type { CallFailed } from '../api/failure';
import type { AnalyzeAnswer, JobProgress } from '../api/schema';
import type { Values } from '../options/values';
import type { Finding } from '../results/findings';

/** An image that a person has added. */
export interface ImageItem {
  id: number;
  file: File;
  /** Why it is not sent, if that is known beforehand. */
  refused: CallFailed | null;
}

export type RunState = 'waiting' | 'running' | 'done' | 'failed' | 'cancelled';

/** One plugin on one image. */
export interface Run {
  image: number;
  plugin: string;
  options: Values;
  state: RunState;
  answer: AnalyzeAnswer | null;
  findings: Finding[];
  failure: CallFailed | null;
  /** How far the plugin says that it is, while it runs; null if it says nothing. */
  progress: JobProgress | null;
  /** What keeps a running call from going on, if anything does. */
  held: 'server' | 'key' | 'busy' | null;
}

interface Workbench {
  images: ImageItem[];
  /** The image that is shown. */
  shown: number | null;
  /** Names of the chosen plugins, in the order of choice. */
  chosen: string[];
  /** What stands in the option forms, by plugin. */
  values: Record<string, Values>;
  runs: ReadonlyMap<string, Run>;
}

const CHOSEN = 'sightgate.chosen';

/** What is on the Analyze view's workbench. It outlasts the view, so that looking at the jobs loses nothing. */
export const useWorkbench = create<Workbench>(() => ({
  images: [],
  shown: null,
  chosen: remembered(),
  values: {},
  runs: new Map(),
}));

let lastId = 0;

/** Add images; the first of them is shown if none is. */
export function addImages(files: readonly File[], refusalOf: (file: File) => CallFailed | null): void {
  const items = files.map((file) => ({ id: (lastId += 1), file, refused: refusalOf(file) }));
  useWorkbench.setState(({ images, shown }) => ({
    images: [...images, ...items],
    shown: shown ?? items[0]?.id ?? null,
  }));
}

export function showImage(id: number): void {
  useWorkbench.setState({ shown: id });
}

/** Take an image and its runs off the bench; the one that follows is shown. */
export function removeImage(id: number): void {
  useWorkbench.setState(({ images, shown, runs }) => {
    const at = images.findIndex((image) => image.id === id);
    const left = images.filter((image) => image.id !== id);
    return {
      images: left,
      shown: shown === id ? (left[Math.min(at, left.length - 1)]?.id ?? null) : shown,
      runs: new Map([...runs].filter(([, run]) => run.image !== id)),
    };
  });
}

export function removeAllImages(): void {
  useWorkbench.setState({ images: [], shown: null, runs: new Map() });
}

export function choose(plugins: string[]): void {
  localStorage.setItem(CHOSEN, JSON.stringify(plugins));
  useWorkbench.setState({ chosen: plugins });
}

export function setValues(plugin: string, values: Values): void {
  useWorkbench.setState((bench) => ({ values: { ...bench.values, [plugin]: values } }));
}

export function runKey(image: number, plugin: string): string {
  return `${image}/${plugin}`;
}

/** Change one run; one that was taken off the bench meanwhile stays off. */
export function updateRun(key: string, change: Partial<Run>): void {
  useWorkbench.setState(({ runs }) => {
    const run = runs.get(key);
    return run === undefined ? {} : { runs: new Map(runs).set(key, { ...run, ...change }) };
  });
}

export function putRuns(fresh: readonly Run[]): void {
  useWorkbench.setState(({ runs }) => {
    const all = new Map(runs);
    for (const run of fresh) all.set(runKey(run.image, run.plugin), run);
    return { runs: all };
  });
}

/** Return the runs on one image, in the order in which they were begun. */
export function runsOn(runs: ReadonlyMap<string, Run>, image: number | null): Run[] {
  return [...runs.values()].filter((run) => run.image === image);
}

/** Return the images on which nothing was ever run, while something was on others: they were added since. */
export function addedSince(images: readonly ImageItem[], runs: ReadonlyMap<string, Run>): ImageItem[] {
  if (runs.size === 0) return [];
  const run = new Set([...runs.values()].map(({ image }) => image));
  return images.filter(({ id }) => !run.has(id));
}

function remembered(): string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(CHOSEN) ?? '[]');
    return Array.isArray(kept) ? kept.filter((name) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}
