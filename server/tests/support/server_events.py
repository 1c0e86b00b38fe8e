"""Reads server-sent events as a browser would: field by field, and keeps where it was."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from support.running_server import RunningServer


@dataclass(frozen=True)
class ServerEvent:
    """One event. ``id`` is the last that was told, by this or an earlier event."""

    event: str
    data: Any
    id: str | None


def parse_events(lines: Iterator[str]) -> Iterator[ServerEvent]:
    """Yield the events in a stream's lines; comments are passed over."""
    event, last = "message", None
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield ServerEvent(event, json.loads("\n".join(data)), last)
            event, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            event = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            last = value


@contextmanager
def following(server: RunningServer, path: str, after: str | None = None) -> Iterator[Iterator[ServerEvent]]:
    """Open a stream, and yield its events as they come."""
    headers = {"last-event-id": after} if after is not None else {}
    with server.http.stream("GET", path, headers=headers, timeout=httpx.Timeout(60)) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield parse_events(response.iter_lines())


def all_events(server: RunningServer, path: str, after: str | None = None) -> list[ServerEvent]:
    """Return the events of a stream that ends."""
    with following(server, path, after) as events:
        return list(events)
