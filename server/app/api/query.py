"""What a request may say behind the question mark: known names, each once."""

from collections.abc import Collection

from starlette.requests import Request

from app.governance.errors import RequestError, shorten


def check_parameters(request: Request, known: Collection[str], many: Collection[str] = ()) -> None:
    """Raise RequestError ``unknown_field`` for a name that is not ``known``, ``malformed_request`` for one given twice.

    ``many`` are those that may be given more than once. What is not looked at would widen what is asked for.
    """
    given = [name for name, _ in request.query_params.multi_items()]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise RequestError("unknown_field", f"there is no parameter {shorten(unknown[0])!r}", field=shorten(unknown[0]))
    twice = sorted(name for name in set(given) - set(many) if given.count(name) > 1)
    if twice:
        raise RequestError("malformed_request", f"the parameter {twice[0]} is given more than once", field=twice[0])
