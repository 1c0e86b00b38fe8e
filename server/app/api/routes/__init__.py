"""The HTTP routes, one file a resource."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from app.api.parameters import read_query
from app.api.schemas import ErrorAnswer

ERRORS: dict[int | str, dict[str, Any]] = {"4XX": {"model": ErrorAnswer}, "5XX": {"model": ErrorAnswer}}


class ExactRoute(APIRoute):
    """A route that refuses parameters that it does not know, and those given twice: a misspelt filter filters nothing.

    The framework itself ignores the former, and takes the last of the latter.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        known = frozenset(_parameters_of(self.dependant))

        async def checked(request: Request) -> Response:
            read_query(request.scope["query_string"], known)
            return await handler(request)

        return checked


class PlainRoute(APIRoute):
    """A route whose endpoint takes the request and returns the response itself.

    It is in the OpenAPI document like any other, but skips the framework's parsing of parameters and its encoding of
    the answer, which cost more than the gate (benchmarks).
    """

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handler: Callable[[Request], Awaitable[Response]] = self.endpoint
        return handler


def _parameters_of(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for dependency in dependant.dependencies:
        yield from _parameters_of(dependency)


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
