"""What a caller asks of a listing, as text, and the filter of the store that it means."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from app.governance.errors import ERROR_CODES, RequestError, shorten
from app.governance.job_lifecycle import TERMINAL, JobStatus
from app.storage.records import JobFilter

MAX_TEXT = 200
HAVE_ERRORS = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Which jobs are meant; None means any, but an empty text is refused: it was to say something, and a removal
    would be of all jobs. Times are ISO 8601; without an offset they are UTC.

    ``q`` is the beginning of an id or a part of a plugin's name, ``batch`` a batch's id.
    """

    status: str | None = None
    plugin: str | None = None
    error_code: str | None = None
    since: str | None = None
    until: str | None = None
    batch: str | None = None
    q: str | None = None
    durable: bool | None = None

    def to_filter(self) -> JobFilter:
        """Return the store's filter. Raises RequestError ``malformed_request`` naming the field that makes no sense."""
        for field in ("status", "plugin", "error_code", "since", "until", "batch", "q"):
            if getattr(self, field) == "":
                raise _wrong(field, f"{field} is empty; say what it is to be, or leave it out")
        since, until = _moment("since", self.since), _moment("until", self.until)
        if since is not None and until is not None and until <= since:
            raise _wrong("until", "until must be later than since")
        status, error_code = _status(self.status), _error_code(self.error_code)
        if error_code is not None and status is not None and status not in HAVE_ERRORS:
            said = f"a job that is {status} has no error code; leave out one of the two"
            raise _wrong("error_code", said)
        return JobFilter(
            status=status,
            plugin=_text("plugin", self.plugin),
            parent_id=_batch(self.batch),
            error_code=error_code,
            since=since,
            until=until,
            durable=self.durable,
            text=_text("q", self.q),
        )

    def to_purge(self) -> JobFilter:
        """Return the store's filter for a removal. Raises as `to_filter`, also if it means no ended job."""
        wanted = self.to_filter()
        if wanted.status is not None and wanted.status not in TERMINAL:
            raise _wrong("status", f"only jobs that have ended are removed, none that is {wanted.status}")
        return wanted


def _status(status: str | None) -> JobStatus | None:
    if status is None:
        return None
    try:
        return JobStatus(status)
    except ValueError:
        raise _wrong("status", f"status must be one of {', '.join(JobStatus)}") from None


def _error_code(code: str | None) -> str | None:
    if code is not None and code not in ERROR_CODES:
        raise _wrong("error_code", f"there is no error code {shorten(code)!r}")
    return code


def _batch(batch_id: str | None) -> str | None:
    if batch_id is not None and not _ID.fullmatch(batch_id):
        raise _wrong("batch", f"{shorten(batch_id)!r} is no id of a batch")
    return batch_id


def _text(field: str, text: str | None) -> str | None:
    if text is not None and (len(text) > MAX_TEXT or "\x00" in text or not _is_unicode(text)):
        raise _wrong(field, f"{field} must be at most {MAX_TEXT} characters of text")
    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _moment(field: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        said = f"{field} must be a time like 2026-01-31T12:00:00Z, not {shorten(text)!r}"
        raise _wrong(field, said) from None


def _wrong(field: str, said: str) -> RequestError:
    return RequestError("malformed_request", said, field=field)
