"""JSON responses, encoded by msgspec."""

from typing import Any

import msgspec
from starlette.responses import Response

_encode = msgspec.json.Encoder().encode


class Json(Response):
    """A JSON response in UTF-8."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return _encode(content)
