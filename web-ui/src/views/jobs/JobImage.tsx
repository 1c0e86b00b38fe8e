import { Paper, Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';

import { asFailure } from '../../api/failure';
import type { JobAnswer } from '../../api/schema';
import { NotAnswered } from '../../components/NotAnswered';
import { Results } from '../../results/Results';
import { findingsOf } from '../../results/findings';
import type { Layer } from '../../results/layers';
import { hasEnded } from './filter';
import classes from './JobImage.module.css';
import { inputQuery } from './queries';

const ENDINGS: Record<string, string> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/webp': 'webp',
  'image/bmp': 'bmp',
  'image/gif': 'gif',
  'image/tiff': 'tif',
};

/** The image that a job was given, with what was found drawn over it, and the result beside it. */
export function JobImage({ job }: { job: JobAnswer }) {
  const kept = job.inputs.length > 0;
  const { data, error, isPending, refetch } = useQuery({ ...inputQuery(job.id), enabled: kept });
  const layers = useMemo(() => (job.result === null ? [] : [layerOf(job)]), [job]);
  const removed = error !== null && asFailure(error).status === 404;
  if (error !== null && !removed) return <NotAnswered failure={error} onRetry={() => void refetch()} />;
  if (kept && isPending) return <Skeleton height="34rem" role="status" aria-label="Loading the image" />;
  if (data === undefined && layers.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {removed
          ? 'The image is not kept any more.'
          : 'The image was not kept: that of a call that somebody waited for is not, unless SIGHTGATE_KEEP_INPUTS says so.'}
      </Text>
    );
  }
  return (
    <Paper withBorder className={classes.results} data-empty={layers.length === 0 || undefined}>
      <Results name={nameOf(job)} file={data ?? null} layers={layers} empty={whyEmpty(job)} />
    </Paper>
  );
}

function whyEmpty(job: JobAnswer): string {
  if (job.result_lost) return 'The result is lost: it is missing or damaged where large results are kept.';
  return hasEnded(job) ? 'There is no result.' : 'The result comes when the job has ended.';
}

/** A short file name for downloads: an id's end tells jobs of one moment apart, its beginning does not. */
function nameOf({ id, plugin, inputs }: JobAnswer): string {
  const ending = ENDINGS[inputs[0]?.media_type ?? ''];
  const name = `${plugin}-${id.slice(-8)}`;
  return ending === undefined ? name : `${name}.${ending}`;
}

function layerOf({ id, plugin, options, result, waiting_ms, running_ms }: JobAnswer): Layer {
  const findings = findingsOf(result, plugin);
  const shown = { plugin, options, result, findings, waitingMs: waiting_ms, runningMs: running_ms, jobId: id };
  return { ...shown, state: 'done', failure: null, progress: null, held: null };
}
