/**
 * How long a stream of the server may bring nothing at all. It sends a comment every 15 s where it has nothing to tell;
 * a path that was dropped without a word (a laptop that slept, a gateway that forgot) brings not even an end.
 */
export const SILENCE_MS = 45_000;

type Bytes = Uint8Array<ArrayBuffer>;

/** Tells when nothing has come for too long. */
export class Silence {
  private readonly controller = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** Aborts after SILENCE_MS without a byte. */
  readonly signal = this.controller.signal;

  constructor() {
    this.heard();
  }

  /** Something has come: the time counts anew. */
  heard(): void {
    this.end();
    this.timer = setTimeout(() => this.controller.abort(new Error('nothing came for too long')), SILENCE_MS);
  }

  /** Listen no more. */
  end(): void {
    clearTimeout(this.timer);
  }

  /** Return a stream's bytes as they come; the stream is given up if they do not. */
  over(body: ReadableStream<Bytes>): ReadableStream<Bytes> {
    const listening = new TransformStream<Bytes, Bytes>({
      transform: (chunk, sink) => {
        this.heard();
        sink.enqueue(chunk);
      },
    });
    return body.pipeThrough(listening, { signal: this.signal });
  }
}
