"""The HTTP routes, one file a resource."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from app.api.schemas import ErrorAnswer

ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorAnswer}, "5XX": {"model": ErrorAnswer}}


class PlainRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response itself.

    It is in the OpenAPI document like any other, but skips the framework's parsing of parameters and its encoding of
    the answer, which cost more than the gate (benchmarks).
    """

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handler: Callable[[Request], Awaitable[Response]] = self.endpoint
        return handler


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """Return the OpenAPI part for a body that the endpoint reads itself."""
    schema = schema_of(model)
    example = schema.pop("example", None)
    content: dict[str, Any] = {"schema": schema}
    return {"application/json": {**content, "example": example} if example else content}


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return a model's JSON Schema with the models that it names in their places: it is to stand within another."""
    schema = model.model_json_schema()
    named: dict[str, Any] = schema.pop("$defs", {})

    def put_in(part: Any) -> Any:
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            return put_in(named[name]) if name in named else {key: put_in(value) for key, value in part.items()}
        return [put_in(each) for each in part] if isinstance(part, list) else part

    whole: dict[str, Any] = put_in(schema)
    return whole
