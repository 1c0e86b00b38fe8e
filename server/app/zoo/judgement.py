"""Compare what came of an animal with what is expected of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.governance.errors import shorten
from app.zoo.catalog import OK, Animal

NO_ANSWER = "no answer"
CUT_OFF = "cut off"
NOT_JSON = "not JSON"
NOT_STARTED = "not started"
ANSWERED = "http-"  # and the status: an error that carries no code of ours


@dataclass(frozen=True, slots=True)
class Call:
    """One answer. ``outcome``: ``ok``, an error code, ``http-`` and the status, or why there is no proper answer."""

    outcome: str
    status: int | None = None
    elapsed_ms: float = 0.0
    result: Any = None
    details: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of one animal. ``worker`` and ``left`` are None where nobody could look."""

    calls: Sequence[Call]
    serves: bool
    left: Sequence[str] | None = None
    worker: str | None = None


def judge(animal: Animal, seen: Observation, *, tells_codes: bool) -> list[str]:
    """Return, in words, how the observation differs from the expectation; nothing if it does not.

    Of a server without Sightgate's codes only this is asked: where a call must fail, that it is answered with some
    error; where it must succeed, that it does.
    """
    faults = []
    for number, (allowed, call) in enumerate(zip(animal.calls, seen.calls, strict=False), 1):
        wanted = allowed if tells_codes else _coarse(allowed)
        if (call.outcome if tells_codes else _coarse_of(call.outcome)) not in wanted:
            said = f" ({shorten(call.message, 200)})" if call.message else ""
            faults.append(f"call {number} ended with {call.outcome}, not {' or '.join(wanted)}{said}")
    if len(seen.calls) < len(animal.calls):
        faults.append(f"only {len(seen.calls)} of {len(animal.calls)} calls were made")
    faults += _reached(animal, seen)
    if tells_codes:
        faults += _wrong_details(animal, seen)
    if not seen.serves:
        faults.append("the server does not serve any more")
    if seen.worker is not None and animal.worker not in ("any", seen.worker):
        faults.append(f"its worker was {seen.worker}, not {animal.worker}")
    faults += [f"left behind: {thing}" for thing in seen.left or ()]
    return faults


def _coarse(allowed: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(OK if outcome == OK else "an error" for outcome in allowed))


def _coarse_of(outcome: str) -> str:
    return "an error" if outcome.startswith(ANSWERED) else outcome


def _reached(animal: Animal, seen: Observation) -> list[str]:
    if not animal.denied or not seen.calls or seen.calls[-1].outcome != OK:
        return []
    result = seen.calls[-1].result
    reached = result.get("reached") if isinstance(result, Mapping) else None
    if not isinstance(reached, list):
        return ["it does not say what it reached"]
    return [f"it reached {what}" for what in reached]


def _wrong_details(animal: Animal, seen: Observation) -> list[str]:
    told = seen.calls[-1].details if seen.calls else {}
    return [
        f"details.{name} is {told.get(name)!r}, not {wanted!r}"
        for name, wanted in animal.details.items()
        if told.get(name) != wanted
    ]
