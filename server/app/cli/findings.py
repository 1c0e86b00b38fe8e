"""What `sightgate doctor` finds."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """``missing``: serve needs it. ``lacking``: something that is offered does not work without it."""

    OK = "ok"
    LACKING = "lacking"
    MISSING = "missing"
    FACT = "fact"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``mend`` is the command that mends it, empty where there is nothing to mend."""

    what: str
    verdict: Verdict
    said: str
    mend: str = ""
