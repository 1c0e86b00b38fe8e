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
    if readable:
        render: Any = structlog.dev.ConsoleRenderer(colors=out.isatty())
        factory: Any = structlog.WriteLoggerFactory(out)
    else:
        render = structlog.processors.JSONRenderer(serializer=_to_json)
        factory = (
            structlog.BytesLoggerFactory(out.buffer) if hasattr(out, "buffer") else structlog.WriteLoggerFactory(out)
        )
    structlog.configure(
        processors=[_stamp, structlog.processors.format_exc_info, render],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=factory,
        cache_logger_on_first_use=True,
    )
    _configure_libraries(out, render)


def _configure_libraries(out: TextIO, render: Any) -> None:
    """Have what libraries log look as our own lines."""
    forms = structlog.stdlib.ProcessorFormatter
    processors: list[Any] = [
        forms.remove_processors_meta,
        structlog.processors.format_exc_info,
        render,
        _as_text,
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(forms(foreign_pre_chain=[structlog.stdlib.add_logger_name, _stamp], processors=processors))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    # It tells with a traceback, each second, what the job store says once: that the database is away.
    logging.getLogger("asyncpg.pool").setLevel(logging.ERROR)


def _stamp(_: Any, method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Add level and time (ISO 8601, UTC): one step, since every call writes a line."""
    event["level"] = "error" if method == "exception" else method
    event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    return event


def _as_text(_: Any, __: str, line: str | bytes) -> str:
    return line.decode() if isinstance(line, bytes) else line


def _to_json(event: Any, **_: Any) -> bytes:
    try:
        return msgspec.json.encode(event, enc_hook=str)
    except UnicodeEncodeError:  # lone surrogates, in a name that somebody sent: escapes can carry them
        return json.dumps(event, default=str).encode()
