import { ActionIcon, Button, CloseButton, Loader, Text, Tooltip } from '@mantine/core';
import { IconAlertTriangle, IconCamera, IconCheck, IconPhoto, IconPlus, IconTrash } from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef } from 'react';
import type { KeyboardEvent } from 'react';

import { adviceOn } from '../../components/advice';
import { bytes } from '../../components/format';
import { progressInWords } from '../../components/progress';
import { countWords } from '../../components/words';
import { removeAllImages, removeImage, showImage, useWorkbench } from '../../runs/store';
import type { ImageItem, Run } from '../../runs/store';
import classes from './Analyze.module.css';
import { useThumbnail } from './thumbnails';

interface Props {
  onPick: () => void;
  onCamera: () => void;
  onCancel: (image: number | null) => void;
}

const ROW_PX = 56;

/** The images on the bench, as many as there are: only those in sight cost anything. */
export function ImagesPanel({ onPick, onCamera, onCancel }: Props) {
  const images = useWorkbench((bench) => bench.images);
  const shown = useWorkbench((bench) => bench.shown);
  const runs = useWorkbench((bench) => bench.runs);
  const byImage = useMemo(() => groupByImage(runs), [runs]);
  const scroll = useRef<HTMLDivElement>(null);
  const at = images.findIndex(({ id }) => id === shown);
  const shownImage = images[at];
  // eslint-disable-next-line react-hooks/incompatible-library -- see FindingsTable
  const virtual = useVirtualizer({
    count: images.length,
    getScrollElement: () => scroll.current,
    estimateSize: () => ROW_PX,
    overscan: 4,
  });

  useEffect(() => {
    if (at >= 0) virtual.scrollToIndex(at, { align: 'auto' });
  }, [at, virtual]);

  function onKeyDown(event: KeyboardEvent): void {
    if (event.target !== event.currentTarget) return;
    const to: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: images.length - 1 };
    const next = to[event.key];
    if (next !== undefined) {
      const image = images[Math.max(0, Math.min(images.length - 1, next))];
      if (image !== undefined) showImage(image.id);
    } else if (event.key === 'Delete' && shownImage !== undefined) {
      remove(shownImage.id);
    } else {
      return;
    }
    event.preventDefault();
  }

  function remove(id: number): void {
    onCancel(id);
    removeImage(id);
  }

  return (
    <section className={classes.section} aria-labelledby="images-head">
      <div className={classes.sectionHead}>
        <h2 id="images-head">Images</h2>
        <div className={classes.headTools}>
          {shownImage !== undefined && (
            <Tooltip label={`Remove ${shownImage.file.name}`}>
              <ActionIcon
                variant="subtle"
                color="gray"
                size="lg"
                aria-label={`Remove ${shownImage.file.name}`}
                onClick={() => remove(shownImage.id)}
              >
                <IconTrash size={18} stroke={1.7} aria-hidden />
              </ActionIcon>
            </Tooltip>
          )}
          {images.length > 1 && (
            <Button
              size="compact-xs"
              variant="subtle"
              color="gray"
              onClick={() => {
                onCancel(null);
                removeAllImages();
              }}
            >
              Clear all
            </Button>
          )}
          <Tooltip label="Use the camera">
            <ActionIcon variant="default" size="lg" aria-label="Use the camera" onClick={onCamera}>
              <IconCamera size={18} stroke={1.7} aria-hidden />
            </ActionIcon>
          </Tooltip>
          <Button
            size="xs"
            h={34}
            variant="default"
            leftSection={<IconPlus size={16} aria-hidden />}
            onClick={onPick}
            aria-label="Add images"
          >
            Add
          </Button>
        </div>
      </div>
      {images.length === 0 ? (
        <Text size="sm" c="dimmed" className={classes.inset}>
          None yet. Drop, paste or add some.
        </Text>
      ) : (
        <div
          ref={scroll}
          className={classes.images}
          role="listbox"
          aria-label={`${countWords(images.length, 'image')}: arrow keys choose one, Delete removes it`}
          aria-activedescendant={at >= 0 ? `image-${images[at]?.id ?? 0}` : undefined}
          tabIndex={0}
          onKeyDown={onKeyDown}
        >
          <div style={{ height: virtual.getTotalSize(), position: 'relative' }} role="presentation">
            {virtual.getVirtualItems().map(({ index, start }) => {
              const image = images[index];
              return (
                image !== undefined && (
                  <ImageRow
                    key={image.id}
                    image={image}
                    start={start}
                    index={index}
                    total={images.length}
                    isShown={image.id === shown}
                    runs={byImage.get(image.id) ?? NONE}
                    isLeft={byImage.size > 0}
                    onRemove={() => remove(image.id)}
                  />
                )
              );
            })}
          </div>
        </div>
      )}
    </section>
  );
}

const NONE: readonly Run[] = [];

interface RowProps {
  image: ImageItem;
  start: number;
  index: number;
  total: number;
  isShown: boolean;
  runs: readonly Run[];
  /** Other images were run. */
  isLeft: boolean;
  onRemove: () => void;
}

function ImageRow({ image, start, index, total, isShown, runs, isLeft, onRemove }: RowProps) {
  const thumbnail = useThumbnail(image.file);
  const { words, isFault, isRunning, isDone } = stateOf(image, runs, isLeft);
  return (
    <div
      className={classes.imageRow}
      style={{ height: ROW_PX, transform: `translateY(${start}px)` }}
      data-shown={isShown || undefined}
      role="presentation"
    >
      <div
        id={`image-${image.id}`}
        role="option"
        aria-selected={isShown}
        aria-posinset={index + 1}
        aria-setsize={total}
        className={classes.imageOption}
        onClick={() => showImage(image.id)}
      >
        <span className={classes.thumbnail}>
          {thumbnail === null ? <IconPhoto size={20} stroke={1.4} aria-hidden /> : <img src={thumbnail} alt="" />}
        </span>
        <span className={classes.imageWords}>
          <span className={classes.imageName} title={image.file.name}>
            {image.file.name}
          </span>
          <span className={classes.imageState} data-fault={isFault || undefined} title={words}>
            {isRunning && <Loader size={10} aria-hidden />}
            {isDone && <IconCheck size={13} aria-hidden />}
            {isFault && <IconAlertTriangle size={13} aria-hidden />}
            <span>{words}</span>
          </span>
        </span>
      </div>
      {/* For the mouse; a list of options may hold nothing else. The head has a button for everybody. */}
      <CloseButton size="sm" tabIndex={-1} aria-hidden title="Remove" className={classes.remove} onClick={onRemove} />
    </div>
  );
}

function stateOf(image: ImageItem, runs: readonly Run[], isLeft: boolean) {
  const count = (state: Run['state']) => runs.filter((run) => run.state === state).length;
  const failed = runs.find(({ failure }) => failure !== null)?.failure ?? image.refused;
  const base = { isFault: false, isRunning: false, isDone: false };
  if (count('running') > 0) return { ...base, isRunning: true, words: runningWords(runs) };
  if (count('waiting') > 0) return { ...base, words: 'waits for its turn' };
  if (failed !== null) {
    const some = count('failed') < runs.length ? `${count('failed')} of ${runs.length}: ` : '';
    return { ...base, isFault: true, words: some + adviceOn(failed).title };
  }
  if (runs.length === 0) return { ...base, words: isLeft ? 'not run yet' : bytes(image.file.size) };
  if (count('cancelled') > 0) return { ...base, words: 'cancelled' };
  const found = runs.reduce((sum, run) => sum + run.findings.length, 0);
  return { ...base, isDone: true, words: countWords(found, 'finding') };
}

/** What a plugin says of itself, if one alone is still to end on the image. */
function runningWords(runs: readonly Run[]): string {
  const open = runs.filter(({ state }) => state === 'running' || state === 'waiting');
  const [only] = open;
  return open.length === 1 && only?.progress ? progressInWords(only.progress) : 'runs';
}

function groupByImage(runs: ReadonlyMap<string, Run>): Map<number, Run[]> {
  const groups = new Map<number, Run[]>();
  for (const run of runs.values()) {
    const group = groups.get(run.image);
    if (group === undefined) groups.set(run.image, [run]);
    else group.push(run);
  }
  return groups;
}
