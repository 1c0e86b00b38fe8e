"""A plugin that returns whatever a test asks for."""

import datetime
import enum
from collections import OrderedDict
from typing import Any, ClassVar

import numpy as np


class Color(enum.Enum):
    RED = "red"


class Text(str):
    __slots__ = ()


class Odd:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("do not touch")


def _cycle() -> dict[str, Any]:
    cycle: dict[str, Any] = {}
    cycle["itself"] = cycle
    return cycle


def _nested(levels: int) -> dict[str, Any]:
    nested: Any = 1
    for _ in range(levels):
        nested = [nested]
    return {"nested": nested}


class Outputs:
    name = "outputs"
    limits: ClassVar[dict[str, Any]] = {"timeout_s": 30, "memory_mb": 2048}

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = _MAKE[payload["options"]["what"]]()
        return made


_MAKE: dict[str, Any] = {
    "None": lambda: None,
    "a list": lambda: [1, 2],
    "a text": lambda: "text",
    "a number": lambda: 5,
    "an empty dict": dict,
    "NaN": lambda: {"a": float("nan")},
    "infinity": lambda: {"a": [1.0, float("-inf")]},
    "NumPy NaN": lambda: {"a": np.array([1.0, np.nan])},
    "bytes": lambda: {"a": b"raw"},
    "an object": lambda: {"a": object()},
    "an odd object": lambda: {"a": Odd()},
    "a class": lambda: {"a": Odd},
    "a function": lambda: {"a": _cycle},
    "complex": lambda: {"a": 1j},
    "keys that are numbers": lambda: {1: "a"},
    "keys that are None, deeper": lambda: {"a": [{None: 1}]},
    "a cycle": _cycle,
    "100,000 levels": lambda: _nested(100_000),
    "65 levels": lambda: _nested(64),
    "64 levels": lambda: _nested(63),
    "lone surrogates": lambda: {"a": "\ud800"},
    "lone surrogates as a key": lambda: {"\udfff": 1},
    "200 MB": lambda: {"a": "x" * 200_000_000},
    "17 MiB": lambda: {"a": "x" * (17 * 1024 * 1024)},
    "15 MiB": lambda: {"a": "x" * (15 * 1024 * 1024)},
    "NumPy": lambda: {
        "float": np.float32(0.5),
        "int": np.int64(7),
        "bool": np.bool_(True),
        "array": np.arange(6).reshape(2, 3),
        "text": np.str_("t"),
    },
    "rich": lambda: OrderedDict(tuple=(1, 2), enum=Color.RED, day=datetime.date(2030, 1, 2), text=Text("t"), none=None),
    "huge integers": lambda: {"a": 2**200},
    "integers of 64 bits": lambda: {"a": 2**63, "b": -(2**63)},
    "any Unicode": lambda: {"a": "é\u0000\u2028😀", "😀": "\x7f"},
}
