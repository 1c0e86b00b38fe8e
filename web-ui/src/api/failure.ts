import type { Error as Envelope, ErrorAnswer } from './schema';

export type { Envelope };

/** A call that did not give what was asked: the server's envelope, or what the page says where there is none. */
export class CallFailed extends Error {
  readonly envelope: Envelope;
  readonly status: number;
  /** Seconds after which the server asks to try again, or null. */
  readonly retryAfterS: number | null;

  constructor(envelope: Envelope, status: number, retryAfterS: number | null = null) {
    super(envelope.message);
    this.envelope = envelope;
    this.status = status;
    this.retryAfterS = retryAfterS;
  }

  get code(): string {
    return this.envelope.details.code;
  }

  /** The same may be answered another time. */
  get isRetryable(): boolean {
    return this.envelope.details.retryable;
  }
}

/** Codes of the page itself, for what happens before or instead of an answer. */
export const PAGE_CODES = ['server_unreachable', 'unexpected_answer', 'file_too_large', 'file_not_readable'] as const;
export type PageCode = (typeof PAGE_CODES)[number];

/** Return a failure that the page itself found. */
export function pageFailure(
  code: PageCode,
  message: string,
  options: { retryable?: boolean; status?: number; details?: Record<string, unknown> } = {},
): CallFailed {
  const { retryable = false, status = 0, details = {} } = options;
  return new CallFailed(
    {
      type: 'ValidationError',
      message,
      details: { code, retryable, ...details },
      plugin: null,
      timestamp: new Date().toISOString(),
    },
    status,
  );
}

export function unreachable(): CallFailed {
  return pageFailure('server_unreachable', 'The server did not answer.', { retryable: true });
}

/** Return the failure that an answer outside 2xx tells. */
export function failureOf(body: unknown, response: Response): CallFailed {
  if (!isErrorAnswer(body)) {
    const said = `The answer (HTTP ${response.status}) is not one of Sightgate's.`;
    return pageFailure('unexpected_answer', said, { status: response.status, retryable: response.status >= 500 });
  }
  const after = Number(response.headers.get('Retry-After'));
  return new CallFailed(body.detail, response.status, after > 0 ? after : null);
}

/** Return what is to be shown of anything that was thrown. */
export function asFailure(thrown: unknown): CallFailed {
  if (thrown instanceof CallFailed) return thrown;
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  return pageFailure('unexpected_answer', said || 'Something went wrong in the page.', { retryable: true });
}

export function isAbort(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === 'AbortError';
}

function isErrorAnswer(body: unknown): body is ErrorAnswer {
  const detail = (body as Partial<ErrorAnswer> | null | undefined)?.detail;
  return (
    typeof detail?.message === 'string' && typeof (detail.details as { code?: unknown } | undefined)?.code === 'string'
  );
}
