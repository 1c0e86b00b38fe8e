import { Alert, Button, Group, Loader, NativeSelect, Text } from '@mantine/core';
import { IconCameraPlus, IconX } from '@tabler/icons-react';
import { useEffect, useEffectEvent, useRef, useState } from 'react';

import { asFailure, isAbort } from '../../api/failure';
import type { CallFailed } from '../../api/failure';
import { ErrorMessage } from '../../components/ErrorMessage';
import { findingsOf } from '../../results/findings';
import type { Finding } from '../../results/findings';
import { colouring } from '../../results/layers';
import type { Layer } from '../../results/layers';
import { call } from '../../runs/analyze';
import { drawFindings } from '../../viewer/draw';
import { Scene } from '../../viewer/scene';
import type { Chosen } from '../../runs/runner';
import classes from './Analyze.module.css';
import { cameraFault, listCameras, openCamera } from './camera';
import { FramePump } from './pump';
import type { PumpFigures } from './pump';

interface Props {
  chosen: readonly Chosen[];
  onClose: () => void;
  onFiles: (files: File[]) => void;
}

/** Frames are sent no larger than this: beyond it plugins see no more, but the way is longer. */
const LONGEST_SIDE = 1_280;
const QUALITY = 0.85;
const FIGURES_EACH_MS = 500;
/** A live picture needs no exact colours, but it must not stand still because one frame failed. */
const REST_AFTER_FAILURE_MS = 1_000;

/** What a camera sees, with what the chosen plugins find in it, as fast as they are. */
export function CameraView({ chosen, onClose, onFiles }: Props) {
  const video = useRef<HTMLVideoElement>(null);
  const [cameras, setCameras] = useState<MediaDeviceInfo[]>([]);
  const [camera, setCamera] = useState('');
  const [fault, setFault] = useState<string | null>(null);
  const [isOn, setOn] = useState(false);

  useEffect(() => {
    const element = video.current;
    let stream: MediaStream | null = null;
    let left = false;
    void openCamera(camera)
      .then(async (opened) => {
        stream = opened;
        if (left || element === null) {
          stop(opened);
          return;
        }
        element.srcObject = opened;
        await element.play();
        setOn(true);
        setFault(null);
        setCameras(await listCameras());
      })
      .catch((failed: unknown) => {
        if (!left && !isAbort(failed)) setFault(cameraFault(failed));
      });
    return () => {
      left = true;
      setOn(false);
      if (stream !== null) stop(stream);
    };
  }, [camera]);

  async function takePicture(): Promise<void> {
    if (video.current === null) return;
    const frame = await frameOf(video.current, Infinity);
    const name = `camera-${new Date().toISOString().replace(/[:.]/g, '-')}.jpg`;
    onFiles([new File([frame.content], name, { type: 'image/jpeg' })]);
  }

  return (
    <section className={classes.camera} aria-label="Camera">
      <div className={classes.stage}>
        <video ref={video} muted playsInline className={classes.video} aria-label="What the camera sees" />
        {isOn && <Live video={video} chosen={chosen} />}
        {!isOn && fault === null && (
          <div className={classes.stageNote} role="status">
            <Loader size="sm" aria-hidden />{' '}
            <Text>Waiting for the camera. The browser may ask whether it may be used.</Text>
          </div>
        )}
        {fault !== null && (
          <div className={classes.stageNote}>
            <Alert color="red" title="No picture from the camera" role="alert">
              {fault}
            </Alert>
          </div>
        )}
      </div>
      <Group className={classes.cameraBar} justify="space-between">
        <Group gap="sm">
          <Button
            size="sm"
            disabled={!isOn}
            leftSection={<IconCameraPlus size={16} aria-hidden />}
            onClick={() => void takePicture()}
          >
            Take a picture
          </Button>
          {cameras.length > 1 && (
            <NativeSelect
              size="sm"
              aria-label="Camera"
              value={camera}
              onChange={(event) => setCamera(event.currentTarget.value)}
              data={cameras.map(({ deviceId, label }, at) => ({ value: deviceId, label: label || `Camera ${at + 1}` }))}
            />
          )}
        </Group>
        <Button size="sm" variant="default" leftSection={<IconX size={16} aria-hidden />} onClick={onClose}>
          Close the camera
        </Button>
      </Group>
    </section>
  );
}

interface Seen {
  findings: Finding[];
  width: number;
  height: number;
  figures: PumpFigures;
  runningMs: number | null;
  failure: CallFailed | null;
}

function Live({ video, chosen }: { video: React.RefObject<HTMLVideoElement | null>; chosen: readonly Chosen[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [seen, setSeen] = useState<ReadonlyMap<string, Seen>>(new Map());
  const key = JSON.stringify(chosen);
  const current = useEffectEvent(() => chosen);

  useEffect(() => {
    const element = video.current;
    if (element === null) return undefined;
    const stopped = new AbortController();
    const pumps = current().map((one) => ({ one, pump: makePump(one, stopped.signal, show) }));
    function show(plugin: string, change: Partial<Seen>): void {
      setSeen((all) => new Map(all).set(plugin, { ...EMPTY, ...all.get(plugin), ...change }));
    }
    let request = 0;
    const onFrame = () => {
      for (const { pump } of pumps) {
        if (pump.wants()) void pump.give(frameOf(element, LONGEST_SIDE));
      }
      request = element.requestVideoFrameCallback(onFrame);
    };
    request = element.requestVideoFrameCallback(onFrame);
    const timer = setInterval(() => {
      for (const { one, pump } of pumps) show(one.plugin, { figures: pump.figures() });
    }, FIGURES_EACH_MS);
    return () => {
      stopped.abort();
      clearInterval(timer);
      element.cancelVideoFrameCallback(request);
      setSeen(new Map());
    };
  }, [video, key]);

  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (canvas.current === null || !context || video.current === null) return;
    const { videoWidth: width, videoHeight: height } = video.current;
    // The drawing covers the video exactly, since both are fitted into the same frame in the same way.
    canvas.current.width = width;
    canvas.current.height = height;
    const layers = [...seen].map(([plugin, { findings }]): Layer => ({ ...NO_LAYER, plugin, findings }));
    const { ofFinding } = colouring(layers);
    const zoom = Math.max(1, width / canvas.current.clientWidth);
    for (const one of seen.values()) {
      if (one.width === 0) continue;
      const view = { scale: width / one.width, x: 0, y: 0 };
      drawFindings(
        context,
        new Scene(one.findings),
        view,
        { width, height },
        { colourOf: ofFinding, hovered: null, selected: null },
        zoom,
      );
    }
  }, [seen, video]);

  const failures = [...seen].filter(([, one]) => one.failure !== null);
  return (
    <>
      <canvas ref={canvas} className={classes.video} role="img" aria-label="What the plugins find" />
      <div className={classes.figures} role="group" aria-label="Live figures">
        {chosen.length === 0 && <Text size="sm">Choose a plugin: it begins at once.</Text>}
        {chosen.map(({ plugin }) => (
          <Text key={plugin} size="sm" data-testid="live">
            <strong>{plugin}</strong> {liveWords(seen.get(plugin))}
          </Text>
        ))}
      </div>
      {failures.length > 0 && (
        <div className={classes.stageNote}>
          {failures.map(([plugin, { failure }]) => (
            <ErrorMessage key={plugin} failure={failure} subject={plugin} />
          ))}
        </div>
      )}
    </>
  );
}

const EMPTY: Seen = {
  findings: [],
  width: 0,
  height: 0,
  figures: { rate: 0, analyzed: 0, dropped: 0 },
  runningMs: null,
  failure: null,
};

const NO_LAYER: Omit<Layer, 'plugin' | 'findings'> = {
  options: {},
  state: 'done',
  result: null,
  waitingMs: null,
  runningMs: null,
  jobId: null,
  failure: null,
  progress: null,
  held: null,
};

interface Frame {
  content: Blob;
  width: number;
  height: number;
}

function makePump(
  { plugin, options }: Chosen,
  signal: AbortSignal,
  show: (plugin: string, change: Partial<Seen>) => void,
): FramePump<Promise<Frame>> {
  return new FramePump(async (taken) => {
    try {
      const { content, width, height } = await taken;
      const answer = await call(content, 'image/jpeg', plugin, options, signal);
      const findings = findingsOf(answer.result, plugin);
      show(plugin, { findings, width, height, runningMs: answer.running_ms, failure: null });
    } catch (failed) {
      if (signal.aborted) return;
      show(plugin, { findings: [], failure: asFailure(failed) });
      await new Promise((resolve) => setTimeout(resolve, REST_AFTER_FAILURE_MS));
    }
  });
}

function liveWords(seen: Seen | undefined): string {
  if (seen === undefined) return 'begins';
  const { figures, findings } = seen;
  return `${figures.rate.toFixed(1)} frames/s · ${findings.length} found · ${figures.dropped} frames dropped`;
}

async function frameOf(video: HTMLVideoElement, longest: number): Promise<Frame> {
  const scale = Math.min(1, longest / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height);
  const content = await new Promise<Blob>((resolve, reject) => {
    canvas.toBlob((made) => (made === null ? reject(new Error('no frame')) : resolve(made)), 'image/jpeg', QUALITY);
  });
  return { content, width: canvas.width, height: canvas.height };
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}
