"""Cursors of listings: opaque text that holds the last id shown, and a checksum over it and the filter.

The checksum is no secret. It catches cursors that were cut, changed, or carried to another filter; what a caller may
see is decided by the filter alone.
"""

import base64
import binascii
from hashlib import blake2s

from app.storage.errors import CursorError
from app.storage.records import JobFilter

_CHECKSUM_BYTES = 8


def make_cursor(last_id: str, filter_: JobFilter) -> str:
    """Return the cursor for what comes after ``last_id``."""
    raw = last_id.encode()
    return base64.urlsafe_b64encode(_checksum(raw, filter_) + raw).rstrip(b"=").decode()


def read_cursor(cursor: str, filter_: JobFilter) -> str:
    """Return the id in ``cursor``. Raises `CursorError` unless this listing gave it out for this filter."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        checksum, last_id = raw[:_CHECKSUM_BYTES], raw[_CHECKSUM_BYTES:]
        if checksum != _checksum(last_id, filter_):
            raise CursorError
        return last_id.decode()
    except (binascii.Error, ValueError) as failure:
        raise CursorError from failure


def _checksum(last_id: bytes, filter_: JobFilter) -> bytes:
    return blake2s(last_id + repr(filter_).encode("utf-8", "backslashreplace"), digest_size=_CHECKSUM_BYTES).digest()
