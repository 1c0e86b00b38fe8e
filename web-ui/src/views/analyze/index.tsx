import { Text } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Suspense, lazy, useCallback, useEffect, useEffectEvent, useMemo, useRef, useState } from 'react';
import { useDropzone } from 'react-dropzone';
import { useSearchParams } from 'wouter';

import { serverQuery } from '../../api/queries';
import { Loading } from '../../components/Loading';
import { useTitle } from '../../components/useTitle';
import { countWords } from '../../components/words';
import type { Analysis } from '../../results/Downloads';
import type { Layer } from '../../results/layers';
import { Runner, refusalOf } from '../../runs/runner';
import { addImages, addedSince, choose, runsOn, useWorkbench } from '../../runs/store';
import type { Run } from '../../runs/store';
import classes from './Analyze.module.css';
import { ImagesPanel } from './ImagesPanel';
import { PluginsPanel } from './PluginsPanel';
import { RunBar } from './RunBar';
import { Start } from './Start';
import { firstChoice, obstacleOf, progressOf } from './bench';
import { usePlugins } from './usePlugins';

const CameraView = lazy(() => import('./CameraView').then(({ CameraView: component }) => ({ default: component })));

const loadResults = () => import('../../results/Results');
const Results = lazy(() => loadResults().then(({ Results: component }) => ({ default: component })));

/** What the file chooser offers; what is dropped or pasted is not judged by its name. */
const ACCEPTED = { 'image/*': ['.jpg', '.jpeg', '.png', '.webp', '.bmp', '.gif', '.tif', '.tiff'] };

let runner: Runner | null = null;

/** Images in, plugins chosen, results over the images. */
export default function AnalyzeView() {
  useTitle('Analyze');
  const queries = useQueryClient();
  const { current: run } = useRef((runner ??= new Runner(queries)));
  const { images, shown, chosen, runs } = useWorkbench();
  const plugins = usePlugins();
  const limits = useQuery(serverQuery).data;
  const [isCamera, setCamera] = useState(false);
  const mostBytes = limits?.max_body_bytes ?? null;

  const take = useCallback(
    (files: readonly File[]) => {
      if (files.length === 0) return;
      void loadResults();
      addImages(files, (file) => refusalOf(file, mostBytes));
      setCamera(false);
    },
    [mostBytes],
  );
  const drop = useDropzone({
    onDrop: (accepted, rejected) => take([...accepted, ...rejected.map(({ file }) => file)]),
    accept: ACCEPTED,
    noClick: true,
    noKeyboard: true,
    // The File System Access API would ask again and again, and knows no plain input for tests and screen readers.
    useFsAccessApi: false,
  });
  usePaste(take);
  useFirstChoice(plugins.offered.length > 0 ? plugins.offered : null);

  const selected = plugins.offered.filter(({ plugin }) => chosen.includes(plugin.name));
  const isVanished = selected.length < chosen.length;
  const obstacle = obstacleOf(images.length, chosen, selected, isVanished && plugins.isSuccess);
  const progress = useMemo(() => progressOf(runs), [runs]);
  const added = useMemo(() => addedSince(images, runs), [images, runs]);
  const toRun = useMemo(() => selected.map(({ plugin, options }) => ({ plugin: plugin.name, options })), [selected]);

  const start = (ids: readonly number[] = images.map(({ id }) => id)) =>
    run.start(
      images.filter(({ id }) => ids.includes(id)),
      toRun,
    );
  useHotkeys([['mod+Enter', () => obstacle === null && progress === null && start()]], []);

  const image = images.find(({ id }) => id === shown) ?? null;
  const layers = useMemo(() => runsOn(runs, shown).map(layerOf), [runs, shown]);
  const analyses = (): Analysis[] =>
    images
      .map(({ id, file }) => ({
        name: file.name,
        file,
        width: null,
        height: null,
        layers: runsOn(runs, id).map(layerOf),
      }))
      .filter((analysis) => analysis.layers.some(({ result }) => result !== null));

  function retry(plugin: string): void {
    const again = toRun.find((one) => one.plugin === plugin);
    const before = runs.get(`${shown}/${plugin}`);
    const one = again ?? (before === undefined ? null : { plugin, options: before.options });
    if (image !== null && one !== null) run.start([image], [one]);
  }

  return (
    <div {...drop.getRootProps({ className: classes.view, 'data-full': image !== null && !isCamera })}>
      <input {...drop.getInputProps({ 'aria-label': 'Image files', name: 'images' })} />
      <h1 className={classes.title}>Analyze images</h1>
      <div className={classes.setup}>
        <ImagesPanel onPick={drop.open} onCamera={() => setCamera(true)} onCancel={(id) => run.cancel(id)} />
        <PluginsPanel
          offered={plugins.offered}
          isPending={plugins.isPending}
          error={plugins.error}
          onRetry={() => void plugins.refetch()}
        />
        <RunBar
          images={images.length}
          plugins={selected.length}
          obstacle={obstacle}
          progress={progress}
          added={added.length}
          onRun={() => start()}
          onRunAdded={() => run.start(added, toRun)}
          onCancel={() => run.cancel()}
        />
      </div>
      {isCamera ? (
        <Suspense fallback={<Loading />}>
          <CameraView chosen={toRun} onClose={() => setCamera(false)} onFiles={take} />
        </Suspense>
      ) : image === null ? (
        <Start onPick={drop.open} onCamera={() => setCamera(true)} onFiles={take} />
      ) : (
        <Suspense fallback={<Loading />}>
          <Results
            key={image.id}
            name={image.file.name}
            file={image.file}
            layers={layers}
            others={analyses}
            onRetry={retry}
            canRun={(plugin) => plugins.offered.some((one) => one.isUsable && one.plugin.name === plugin)}
            empty={
              <Text size="sm" c="dimmed">
                {image.refused !== null
                  ? image.refused.message
                  : 'Choose plugins, then press Run. What they find shows here.'}
              </Text>
            }
          />
        </Suspense>
      )}
      {drop.isDragActive && (
        <div className={classes.dropHere} role="status">
          Let go to add
        </div>
      )}
    </div>
  );
}

/** Take images that are pasted anywhere on the page, except where text is written. */
function usePaste(take: (files: File[]) => void): void {
  const onPaste = useEffectEvent((event: ClipboardEvent) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0) {
      event.preventDefault();
      take(files);
      notifications.show({ message: `${countWords(files.length, 'image')} pasted` });
    } else if (!(event.target instanceof Element && event.target.closest('input, textarea'))) {
      notifications.show({ message: 'There is no image on the clipboard.' });
    }
  });
  useEffect(() => {
    const listen = (event: ClipboardEvent) => onPaste(event);
    window.addEventListener('paste', listen);
    return () => window.removeEventListener('paste', listen);
  }, []);
}

/** Choose the plugin that the address names (a "try it" link), else one to begin with if none was ever chosen. */
function useFirstChoice(offered: Parameters<typeof firstChoice>[0] | null): void {
  const [search, setSearch] = useSearchParams();
  const named = search.get('plugin');
  useEffect(() => {
    if (named !== null) {
      choose([named]);
      setSearch({}, { replace: true });
    } else if (
      offered !== null &&
      useWorkbench.getState().chosen.length === 0 &&
      localStorage.getItem('sightgate.chosen') === null
    ) {
      choose(firstChoice(offered));
    }
  }, [named, offered, setSearch]);
}

function layerOf(run: Run): Layer {
  return {
    plugin: run.plugin,
    options: run.options,
    state: run.state,
    result: run.answer?.result ?? null,
    findings: run.findings,
    waitingMs: run.answer?.waiting_ms ?? null,
    runningMs: run.answer?.running_ms ?? null,
    jobId: run.answer?.job_id ?? null,
    failure: run.failure,
    progress: run.progress,
    held: run.held,
  };
}
