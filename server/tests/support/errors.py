"""The shape of every error that leaves the server."""

import re
from datetime import datetime
from typing import Any

import httpx

from app.governance.errors import ERROR_CODES

FIELDS = {"type", "message", "details", "plugin", "timestamp"}
# What a plugin says of itself passes to the caller unchanged.
PLUGINS_OWN_TEXT = {"plugin_failed", "plugin_unavailable"}
_PATH = re.compile(r"(?<![\w.:/])/(?:tmp|home|root|usr|var|work|opt|proc)/|[\w/]+\.py\b|\bapp\.\w+\.\w+|sightgate\.\w+")


def assert_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is the one error shape with this status and code; return the error."""
    assert response.status_code == status, f"{response.status_code}: {response.text[:2000]}"
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"detail"}, body
    error: dict[str, Any] = body["detail"]
    assert_error_object(error, code)
    assert ("retry-after" in response.headers) == (status in (429, 503))
    assert ("www-authenticate" in response.headers) == (status == 401)
    return error


def assert_error_object(error: dict[str, Any], code: str) -> None:
    """Check the error part of an envelope, as answers and jobs carry it."""
    assert set(error) == FIELDS, error
    row = ERROR_CODES[code]
    details = error["details"]
    assert details["code"] == code, error
    assert details["retryable"] is row.retryable
    assert error["type"] == row.type.value
    assert isinstance(error["message"], str)
    assert len(error["message"]) <= 2000
    assert error["message"] or code == "plugin_failed"
    assert error["plugin"] is None or 0 < len(error["plugin"]) <= 200
    assert datetime.fromisoformat(error["timestamp"]).utcoffset() is not None
    text = str(error)
    assert "_internal" not in text
    assert "Traceback (most recent" not in text
    if code not in PLUGINS_OWN_TEXT:
        assert not _PATH.search(error["message"]), error["message"]
