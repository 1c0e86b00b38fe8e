"""Structured logs: JSON or readable, one line an event."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec
import structlog


def configure_logs(log_format: str, level: str, stream: TextIO | None = None) -> None:
    """Set up logging of the process. ``log_format`` is ``json``, ``readable`` or ``auto`` (readable on a terminal)."""
    out = stream or sys.stderr
    readable = log_format == "readable" or (log_format == "auto" and out.isatty())
    processors: list[Any] = [_stamp]
    if readable:
        processors += [structlog.processors.format_exc_info, structlog.dev.ConsoleRenderer(colors=out.isatty())]
        factory: Any = structlog.WriteLoggerFactory(out)
    else:
        processors += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_to_json)]
        factory = (
            structlog.BytesLoggerFactory(out.buffer) if hasattr(out, "buffer") else structlog.WriteLoggerFactory(out)
        )
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(stream=out, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")


def _stamp(_: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add level and time (ISO 8601, UTC): one step, since every call writes a line."""
    event["level"] = "error" if method == "exception" else method
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return event


def _to_json(event: Any, **_: Any) -> bytes:
    try:
        return msgspec.json.encode(event, enc_hook=str)
    except UnicodeEncodeError:  # lone surrogates, in a name that somebody sent: escapes can carry them
        return json.dumps(event, default=str).encode()
