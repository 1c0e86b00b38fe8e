import { Button, Menu } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { IconChevronDown, IconDownload } from '@tabler/icons-react';

import { annotated, save, stem } from '../exports/files';
import type { Analyzed } from '../exports/table';
import type { Finding } from './findings';
import type { Layer } from './layers';

/** An image with all that was said of it. */
export interface Analysis {
  name: string;
  file: Blob | null;
  width: number | null;
  height: number | null;
  layers: readonly Layer[];
}

interface Props {
  /** The image that is shown. */
  shown: Analysis;
  /** All images with results, if there are several. */
  all: readonly Analysis[];
  /** What is drawn just now, with the confidence and the plugins that are chosen. */
  drawn: readonly Finding[];
  colourOf: (finding: Finding) => string;
}

/** Results as files: what the filter lets through for pictures and tables, everything for JSON. */
export function Downloads({ shown, all, drawn, colourOf }: Props) {
  const base = stem(shown.name);
  const hasResult = shown.layers.some(({ result }) => result !== null);
  const picture = async () => {
    if (shown.file !== null) save(await annotated(shown.file, drawn, colourOf), `${base}-annotated.png`);
  };
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <Button
          size="xs"
          variant="default"
          disabled={!hasResult}
          leftSection={<IconDownload size={14} aria-hidden />}
          rightSection={<IconChevronDown size={14} aria-hidden />}
        >
          Download
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>This image</Menu.Label>
        <Menu.Item onClick={attempt(() => saveJson([shown], `${base}.json`))}>JSON, as the server sent it</Menu.Item>
        <Menu.Item onClick={attempt(() => saveCsv([{ ...shown, findings: drawn }], `${base}.csv`))}>
          CSV, a row for each finding
        </Menu.Item>
        <Menu.Item onClick={attempt(() => saveCoco([{ ...shown, findings: drawn }], `${base}-coco.json`))}>
          COCO, for training tools
        </Menu.Item>
        <Menu.Item disabled={shown.file === null} onClick={attempt(picture)}>
          PNG, with the findings drawn
        </Menu.Item>
        {all.length > 1 && (
          <>
            <Menu.Divider />
            <Menu.Label>All {all.length} images with results</Menu.Label>
            <Menu.Item onClick={attempt(() => saveJson(all, 'sightgate.json'))}>JSON</Menu.Item>
            <Menu.Item onClick={attempt(() => saveCsv(all.map(whole), 'sightgate.csv'))}>CSV</Menu.Item>
            <Menu.Item onClick={attempt(() => saveCoco(all.map(whole), 'sightgate-coco.json'))}>COCO</Menu.Item>
          </>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}

/** Return a handler that says so if the file cannot be made. */
function attempt(make: () => Promise<void> | void): () => void {
  return () => {
    void Promise.resolve()
      .then(make)
      .catch((failed: unknown) => {
        const message = failed instanceof Error ? failed.message : String(failed);
        notifications.show({ color: 'red', title: 'The file could not be made', message });
      });
  };
}

function saveJson(analyses: readonly Analysis[], name: string): void {
  const content = analyses.map((analysis) => ({
    image: analysis.name,
    results: analysis.layers
      .filter(({ result }) => result !== null)
      .map(({ plugin, options, result, jobId, waitingMs, runningMs }) => ({
        plugin,
        options,
        job_id: jobId,
        waiting_ms: waitingMs,
        running_ms: runningMs,
        result,
      })),
  }));
  const single = content.length === 1 ? content[0] : content;
  save(new Blob([JSON.stringify(single, null, 2)], { type: 'application/json' }), name);
}

async function saveCsv(images: readonly Analyzed[], name: string): Promise<void> {
  const { toCsv } = await import('../exports/table');
  save(new Blob([toCsv(images)], { type: 'text/csv;charset=utf-8' }), name);
}

async function saveCoco(images: readonly Analyzed[], name: string): Promise<void> {
  const { toCoco } = await import('../exports/coco');
  save(new Blob([JSON.stringify(toCoco(images), null, 2)], { type: 'application/json' }), name);
}

function whole(analysis: Analysis): Analyzed {
  return { ...analysis, findings: analysis.layers.flatMap(({ findings }) => findings) };
}
