import { Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';

import { asFailure } from '../../api/failure';
import type { JobAnswer } from '../../api/schema';
import { ErrorMessage } from '../../components/ErrorMessage';
import { Section } from '../../components/Section';
import type { Picture } from '../../images/picture';
import { usePicture } from '../../images/usePicture';
import { FindingsTable } from '../../results/FindingsTable';
import { findingsOf, nameOf } from '../../results/findings';
import { coloursOf } from '../../results/palette';
import { Viewer } from '../../viewer/Viewer';
import classes from './JobImage.module.css';
import { inputQuery } from './queries';

const NOT_SHOWN = {
  tiff: 'The image is a TIFF, which browsers do not show. What was found is drawn in its place.',
  broken: 'The browser cannot show this image. What was found is drawn in its place.',
};

/** The image that a job was given, with what was found drawn over it. */
export function JobImage({ job }: { job: JobAnswer }) {
  const kept = job.inputs.length > 0;
  const { data, error, refetch } = useQuery({ ...inputQuery(job.id), enabled: kept });
  const picture = usePicture(data ?? null);
  if (!kept) {
    return (
      <Section title="Image">
        <Text size="sm" c="dimmed">
          The image was not kept: of a call that somebody waits for, it never is unless SIGHTGATE_KEEP_INPUTS says so.
        </Text>
      </Section>
    );
  }
  if (error !== null && asFailure(error).status !== 404) {
    return <ErrorMessage failure={error} onRetry={() => void refetch()} />;
  }
  return (
    <Section title="Image">
      {error !== null && <Text size="sm">The image is not kept any more.</Text>}
      {error === null && picture === null && <Skeleton height="26rem" role="status" aria-label="Loading the image" />}
      {picture !== null && (
        <Overlay
          job={job}
          picture={typeof picture === 'string' ? null : picture}
          note={typeof picture === 'string' ? NOT_SHOWN[picture] : null}
        />
      )}
    </Section>
  );
}

interface OverlayProps {
  job: JobAnswer;
  picture: Picture | null;
  note: string | null;
}

function Overlay({ job, picture, note }: OverlayProps) {
  const [hovered, setHovered] = useState<string | null>(null);
  const [selected, setSelected] = useState<string | null>(null);
  const findings = useMemo(() => findingsOf(job.result, job.plugin), [job.result, job.plugin]);
  const colours = useMemo(() => coloursOf(findings.map(nameOf)), [findings]);
  const size = picture ?? extentOf(findings);
  const shared = {
    findings,
    colourOf: (finding: (typeof findings)[number]) => colours.get(nameOf(finding)) ?? '#ffb000',
    hovered,
    selected,
    onHover: setHovered,
    onSelect: setSelected,
  };
  return (
    <div className={classes.overlay} data-findings={findings.length > 0 || undefined}>
      <div className={classes.viewer}>
        <Viewer name={`The image of job ${job.id}`} picture={picture} size={size} {...shared}>
          {note !== null && <Text size="sm">{note}</Text>}
        </Viewer>
      </div>
      {findings.length > 0 && (
        <div className={classes.table}>
          <FindingsTable {...shared} />
        </div>
      )}
    </div>
  );
}

function extentOf(findings: ReturnType<typeof findingsOf>): { width: number; height: number } {
  const corners = findings.flatMap(({ bounds }) =>
    bounds === null ? [] : [[bounds.x + bounds.width, bounds.y + bounds.height]],
  );
  const width = Math.max(1, ...corners.map(([x]) => x ?? 1));
  const height = Math.max(1, ...corners.map(([, y]) => y ?? 1));
  return { width, height };
}
