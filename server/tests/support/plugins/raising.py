"""A plugin that raises whatever can be raised."""

import asyncio
import concurrent.futures
from typing import Any

import sightgate


class BrokenText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text today")


class TextThatIsNone(Exception):
    def __str__(self) -> str:
        return None  # type: ignore[return-value]


class OwnBase(BaseException):
    pass


def _nested() -> BaseException:
    raised: BaseException = ValueError("innermost")
    for level in range(300):
        outer = ValueError(f"level {level}")
        outer.__cause__ = raised
        raised = outer
    return raised


def _recurse(level: int) -> int:
    return _recurse(level + 1) + 1


class Raising:
    name = "raising"

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        what = payload["options"]["what"]
        if what == "recursion":
            return {"depth": _recurse(0)}
        raise _WHAT[what]()


_WHAT: dict[str, Any] = {
    "plain": lambda: ValueError("the plugin's own words"),
    "huge": lambda: ValueError("x" * 50_000_000),
    "empty": ValueError,
    "broken str": BrokenText,
    "str that is None": TextThatIsNone,
    "lone surrogates": lambda: ValueError("bad \ud800 text"),
    "control characters": lambda: ValueError("a\x00b\x1b[31mc"),
    "KeyboardInterrupt": lambda: KeyboardInterrupt("stop"),
    "own base": lambda: OwnBase("from the root"),
    "GeneratorExit": lambda: GeneratorExit("closing"),
    "StopIteration": lambda: StopIteration(5),
    "CancelledError": lambda: asyncio.CancelledError("not yours"),
    "futures CancelledError": lambda: concurrent.futures.CancelledError("not yours"),
    "TimeoutError": lambda: TimeoutError("mine, not the server's"),
    "chain": _nested,
    "group": lambda: ExceptionGroup("several", [ValueError("one"), ValueError("two")]),
    "input error": lambda: sightgate.InputError("this option is of no use", "invalid_options", field="what"),
    "input error with a foreign code": lambda: sightgate.InputError("sly", "internal_error", job_id="forged"),
    "undecodable": lambda: sightgate.UndecodableImage("no pixels in it"),
    "unavailable": lambda: sightgate.Unavailable("its model went away"),
}
