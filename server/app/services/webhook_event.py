"""What a webhook says, and how it is signed. Pure."""

import hashlib
import hmac
from typing import Any

import msgspec

from app.storage.records import Job

EVENT_TYPE = "sightgate.job.ended"
CONTENT_TYPE = "application/cloudevents+json"
SIGNATURE = "Sightgate-Signature"
# A larger result is left out; who wants it asks for the job.
MAX_RESULT_BYTES = 64 * 1024

_encode = msgspec.json.Encoder().encode


def event_body(job: Job) -> bytes:
    """Return a job's end as a CloudEvents 1.0 event in JSON. The event's id is the job's: a job ends once."""
    ended_at = job.ended_at.isoformat() if job.ended_at is not None else None
    result = _encode(job.result)
    included = job.result is not None and len(result) <= MAX_RESULT_BYTES
    data: dict[str, Any] = {
        "id": job.id,
        "status": job.status.value,
        "plugin": job.plugin,
        "batch": job.parent_id,
        "error": job.error,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at is not None else None,
        "ended_at": ended_at,
        "path": f"/v1/jobs/{job.id}",
        "result_included": included,
        "result": msgspec.Raw(result) if included else None,
    }
    event = {
        "specversion": "1.0",
        "id": job.id,
        "source": "/v1/jobs",
        "type": EVENT_TYPE,
        "subject": job.id,
        "time": ended_at,
        "datacontenttype": "application/json",
        "data": data,
    }
    return _encode(event)


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the header's value: ``t=`` seconds since 1970, ``v1=`` the hexadecimal HMAC-SHA256 of ``t.body``."""
    signed = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={signed}"
