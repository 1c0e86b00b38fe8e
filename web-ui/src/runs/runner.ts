import type { QueryClient } from '@tanstack/react-query';

import { asFailure, pageFailure } from '../api/failure';
import type { CallFailed } from '../api/failure';
import { pluginsQuery, serverQuery } from '../api/queries';
import type { Values } from '../options/values';
import { findingsOf } from '../results/findings';
import { analyze } from './analyze';
import { bytes } from '../components/format';
import { putRuns, runKey, updateRun, useWorkbench } from './store';
import type { ImageItem, Run } from './store';

/** Calls at once. The server queues a few more for each plugin; what is beyond waits here, where it can be cancelled. */
const AT_ONCE = 3;

/** Codes after which the list of plugins is likely to be another. */
const PLUGIN_CODES = ['plugin_not_found', 'plugin_disabled', 'plugin_unavailable', 'permission_not_granted'];

const ENDED = { held: null, progress: null } as const;

export interface Chosen {
  plugin: string;
  options: Values;
}

/** Sends images to plugins, a few at a time. */
export class Runner {
  private readonly queries: QueryClient;
  private readonly waiting: Run[] = [];
  private readonly running = new Map<string, AbortController>();

  constructor(queries: QueryClient) {
    this.queries = queries;
  }

  /** Run each plugin on each image; what ran before on an image with a plugin is replaced. */
  start(images: readonly ImageItem[], chosen: readonly Chosen[]): void {
    const fresh = images.flatMap((image) => chosen.map(({ plugin, options }) => newRun(image, plugin, options)));
    for (const run of fresh) this.cancelOne(runKey(run.image, run.plugin));
    putRuns(fresh);
    this.waiting.push(...fresh.filter((run) => run.state === 'waiting'));
    this.fill();
  }

  /** Cancel all that waits or runs, or that of one image. */
  cancel(image: number | null = null): void {
    const isMeant = (run: Run) => image === null || run.image === image;
    const keys = this.waiting.filter(isMeant).map((run) => runKey(run.image, run.plugin));
    keys.push(...[...this.running.keys()].filter((key) => image === null || key.startsWith(`${image}/`)));
    for (const key of keys) this.cancelOne(key);
  }

  private cancelOne(key: string): void {
    const at = this.waiting.findIndex((run) => runKey(run.image, run.plugin) === key);
    if (at >= 0) this.waiting.splice(at, 1);
    const call = this.running.get(key);
    if (at < 0 && call === undefined) return;
    this.running.delete(key);
    updateRun(key, { ...ENDED, state: 'cancelled' });
    call?.abort();
    this.fill();
  }

  private fill(): void {
    while (this.running.size < AT_ONCE) {
      const run = this.waiting.shift();
      if (run === undefined) return;
      void this.execute(run);
    }
  }

  private async execute(run: Run): Promise<void> {
    const key = runKey(run.image, run.plugin);
    const call = new AbortController();
    this.running.set(key, call);
    // A run that was cancelled, or replaced by a later one, changes nothing any more.
    const update = (change: Partial<Run>) => {
      if (this.running.get(key) === call) updateRun(key, change);
    };
    const image = useWorkbench.getState().images.find(({ id }) => id === run.image);
    update({ state: 'running' });
    try {
      if (image === undefined) return;
      const refused = await this.refusalOf(image.file);
      if (refused !== null) throw refused;
      const answer = await analyze(image.file, run.plugin, run.options, call.signal, {
        // What is sent again begins anew.
        held: (held) => update({ held, progress: null }),
        progress: (progress) => update({ progress }),
      });
      update({ ...ENDED, state: 'done', answer, findings: findingsOf(answer.result, run.plugin) });
    } catch (failed) {
      if (call.signal.aborted) return;
      const failure = asFailure(failed);
      this.learnFrom(failure);
      update({ ...ENDED, state: 'failed', failure });
    } finally {
      if (this.running.get(key) === call) this.running.delete(key);
      this.fill();
    }
  }

  private async refusalOf(file: File): Promise<CallFailed | null> {
    const limits = await this.queries.query({ ...serverQuery, staleTime: 'static' }).catch(() => null);
    return refusalOf(file, limits?.max_body_bytes ?? null);
  }

  private learnFrom(failure: CallFailed): void {
    if (PLUGIN_CODES.includes(failure.code)) void this.queries.invalidateQueries({ queryKey: pluginsQuery.queryKey });
    if (failure.code === 'body_too_large') void this.queries.invalidateQueries({ queryKey: serverQuery.queryKey });
  }
}

/** Return why a file is not sent, if its size says so: the server would break the connection in the middle. */
export function refusalOf(file: File, mostBytes: number | null): CallFailed | null {
  if (mostBytes === null || file.size <= mostBytes) return null;
  const said = `The file has ${bytes(file.size)}; this server takes at most ${bytes(mostBytes)}.`;
  return pageFailure('file_too_large', said, { details: { size_bytes: file.size, limit_bytes: mostBytes } });
}

function newRun(image: ImageItem, plugin: string, options: Values): Run {
  const begun = { image: image.id, plugin, options, answer: null, findings: [], ...ENDED };
  return image.refused === null
    ? { ...begun, state: 'waiting', failure: null }
    : { ...begun, state: 'failed', failure: image.refused };
}
