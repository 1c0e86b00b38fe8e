"""When a job that failed runs again. Pure: what is random and what the time is comes from the caller."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from app.governance.errors import ERROR_CODES

MOST_ATTEMPTS = 100
LONGEST_BACKOFF_S = 7 * 24 * 3600.0

# What failed in another way than these may fail in the same way again, but costs nobody another attempt unasked.
RETRYABLE_CODES = frozenset(code for code, row in ERROR_CODES.items() if row.retryable) - {"deadline_exceeded"}
# No attempt follows these: the job was to end, or there was no job.
NEVER_RETRIED = frozenset({"cancelled", "deadline_exceeded", "dependency_failed"}) | {
    "missing_plugin",
    "invalid_base64",
    "body_too_large",
    "unsupported_content_type",
    "image_url_disabled",
    "image_url_refused",
    "image_url_too_large",
    "not_found",
    "method_not_allowed",
    "job_not_found",
    "job_not_cancellable",
    "idempotency_conflict",
    "webhooks_disabled",
    "webhook_refused",
    "unauthorized",
    "forbidden",
}
# An attempt that ended so was not the plugin's: the server died, or handed the job back when it stopped.
UNCOUNTED = frozenset({"interrupted", "handed_back"})

_NUMBERS: Mapping[str, tuple[float, float]] = {
    "max_attempts": (1, MOST_ATTEMPTS),
    "backoff_s": (0.0, LONGEST_BACKOFF_S),
    "factor": (1.0, 100.0),
    "max_backoff_s": (0.0, LONGEST_BACKOFF_S),
    "jitter": (0.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a job is tried in all, after which error codes, and how long it rests between two tries.

    The rest before the second try is ``backoff_s`` seconds, then ``factor`` times as long each time, at most
    ``max_backoff_s``. ``jitter`` is the part of the rest that is left to chance: 0.5 makes it half to all of itself.
    """

    max_attempts: int = 1
    codes: frozenset[str] = RETRYABLE_CODES
    backoff_s: float = 1.0
    factor: float = 2.0
    max_backoff_s: float = 300.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        """Raise ValueError, with a sentence for the caller, for a number out of range or an unknown error code."""
        for name in _NUMBERS:
            _check_range(name, getattr(self, name))
        unknown = sorted(self.codes - ERROR_CODES.keys())
        if unknown:
            raise ValueError(f"there is no error code {unknown[0][:64]!r}")

    @classmethod
    def from_json(cls, given: Mapping[str, Any], default: "RetryPolicy | None" = None) -> Self:
        """Return the policy that a caller or a file describes; what it leaves out is as in ``default``.

        Raises ValueError, with a sentence for the caller, for an unknown field, a wrong type, a value out of range, or
        a code that no job is ever retried after.
        """
        unknown = sorted(set(given) - {*_NUMBERS, "codes"})
        if unknown:
            raise ValueError(f"a retry policy has no field {str(unknown[0])[:64]!r}")
        policy = cls(**((default or RetryPolicy()).to_fields() | {name: _read(name, given[name]) for name in given}))
        never = sorted(policy.codes & NEVER_RETRIED)
        if never:
            raise ValueError(f"no job is tried again after {never[0]}")
        return policy

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Self:
        """Return the policy that was stored as `to_json` gives it; what would be refused now has no effect."""
        fields: dict[str, Any] = {name: _read(name, stored[name]) for name in stored}
        return cls(**fields)

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        return self.to_fields() | {"codes": sorted(self.codes)}

    def to_fields(self) -> dict[str, Any]:
        """Return the fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def allows(self, code: str, attempts: int) -> bool:
        """Return whether a job that failed with ``code`` runs again, after ``attempts`` that count (see `counted`)."""
        return attempts < self.max_attempts and code in self.codes

    def rest_s(self, attempts: int, chance: float) -> float:
        """Return the rest in seconds after ``attempts`` (at least 1) that count; ``chance`` is random in 0…1."""
        # The exponent is bounded: a factor of 100 overflows a float at the 155th attempt.
        whole = min(self.backoff_s * self.factor ** min(attempts - 1, MOST_ATTEMPTS), self.max_backoff_s)
        return whole * (1.0 - self.jitter * chance)


def counted(outcomes: Iterable[str | None]) -> int:
    """Return how many of a job's attempts count against ``max_attempts``, given the outcome of each."""
    return sum(outcome not in UNCOUNTED for outcome in outcomes)


def _read(name: str, value: object) -> object:
    if name == "codes":
        if not isinstance(value, list | tuple | set | frozenset) or not all(isinstance(code, str) for code in value):
            raise ValueError("codes must be a list of error codes")
        return frozenset(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number")
    if name != "max_attempts":
        _check_range(name, value)  # before it is converted: a whole number may be larger than any float
        return float(value)
    if not isinstance(value, int):
        raise ValueError("max_attempts must be a whole number")
    return value


def _check_range(name: str, value: float) -> None:
    least, most = _NUMBERS[name]
    if not least <= value <= most:  # false for NaN too
        raise ValueError(f"{name} must be {least:g} to {most:g}")
