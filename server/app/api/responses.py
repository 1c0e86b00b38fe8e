"""JSON responses, encoded by msgspec."""

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

_encode = msgspec.json.Encoder().encode


class Json(Response):
    """A JSON response in UTF-8."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return _encode(content)


class JsonLines(StreamingResponse):
    """JSON values as they come, one a line."""

    media_type = "application/x-ndjson"

    def __init__(self, values: AsyncIterable[Any]) -> None:
        super().__init__(_lines(values), media_type=self.media_type)


async def _lines(values: AsyncIterable[Any]) -> AsyncIterator[bytes]:
    async for value in values:
        yield _encode(value) + b"\n"
