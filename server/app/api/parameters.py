"""The names of what a request gives: known to the route, and each given once."""

from collections.abc import Collection, Iterable

from starlette.datastructures import QueryParams

from app.governance.errors import RequestError, shorten

NONE: frozenset[str] = frozenset()


def read_query(query_string: bytes, known: Collection[str], repeatable: Collection[str] = NONE) -> QueryParams:
    """Return the parameters of a query. Raises RequestError as ``check_names`` does."""
    query = QueryParams(query_string)
    check_names("parameter", [name for name, _ in query.multi_items()], known, repeatable)
    return query


def refuse_parameters(query_string: bytes, instead: str) -> None:
    """Refuse parameters where the body holds all that they could say: one of them would be left out unseen.

    ``instead`` says where they belong. Raises RequestError ``unknown_field``.
    """
    for name in QueryParams(query_string) if query_string else ():
        said = f"the parameter {shorten(name)!r} goes with a raw image only; {instead}"
        raise RequestError("unknown_field", said, field=shorten(name))


def check_names(what: str, given: Iterable[str], known: Collection[str], repeatable: Collection[str] = NONE) -> None:
    """Refuse a name that is not known, and one that is given again: nobody could tell which of the two is meant.

    ``what`` says what the names are of, for the message. Raises RequestError ``unknown_field`` or
    ``malformed_request``.
    """
    seen: set[str] = set()
    for name in given:
        if name not in known:
            raise RequestError("unknown_field", f"there is no {what} {shorten(name)!r}", field=shorten(name))
        if name in seen and name not in repeatable:
            raise RequestError("malformed_request", f"the {what} {name} is given more than once", field=name)
        seen.add(name)
