/** Live figures of a pump: over the last seconds, and since its start. */
export interface PumpFigures {
  /** Frames analyzed a second. */
  rate: number;
  analyzed: number;
  dropped: number;
}

const WINDOW_MS = 3_000;

/**
 * Passes frames to a slow consumer one at a time. A frame that comes while one is worked on is dropped, never queued:
 * what is shown must be of now.
 */
export class FramePump<Frame> {
  private readonly work: (frame: Frame) => Promise<void>;
  private readonly clock: () => number;
  private isBusy = false;
  private analyzed = 0;
  private dropped = 0;
  private ends: number[] = [];

  constructor(work: (frame: Frame) => Promise<void>, clock: () => number = () => performance.now()) {
    this.work = work;
    this.clock = clock;
  }

  /** Say whether a frame would be taken now, so that none is made for nothing; one that would not counts as dropped. */
  wants(): boolean {
    if (this.isBusy) this.dropped += 1;
    return !this.isBusy;
  }

  /** Work on a frame; resolves when it is done. A frame given while another is worked on is dropped. */
  async give(frame: Frame): Promise<void> {
    if (!this.wants()) return;
    this.isBusy = true;
    try {
      await this.work(frame);
      this.analyzed += 1;
      this.ends.push(this.clock());
    } finally {
      this.isBusy = false;
    }
  }

  figures(): PumpFigures {
    const now = this.clock();
    this.ends = this.ends.filter((end) => end > now - WINDOW_MS);
    const [first] = this.ends;
    // Between n ends there are n - 1 frames' times.
    const lasted = first === undefined ? 0 : now - first;
    const rate = this.ends.length < 2 || lasted <= 0 ? 0 : ((this.ends.length - 1) * 1_000) / lasted;
    return { rate, analyzed: this.analyzed, dropped: this.dropped };
  }
}
