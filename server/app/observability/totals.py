"""What Metrics has counted so far, as records that can be compared: the ground of the figures of the last hour."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import Counter, Histogram

from app.governance.errors import ERROR_CODES, ErrorType

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_NO_ERRORS = ("success", "cancelled")


@dataclass(frozen=True, slots=True)
class PluginTotals:
    """What was counted of one plugin since the server's start: executions and refusals, errors by type.

    ``buckets`` holds the executions whose time lies within each of ``BUCKETS_S`` and above the one before, and at last
    those above all. What was cancelled is no error.
    """

    calls: float = 0.0
    errors: Mapping[str, float] = field(default_factory=dict)
    buckets: tuple[float, ...] = (0.0,) * (len(BUCKETS_S) + 1)

    def since(self, before: "PluginTotals") -> "PluginTotals":
        """Return what was counted after ``before``."""
        errors = {kind: count - before.errors.get(kind, 0.0) for kind, count in self.errors.items()}
        buckets = tuple(now - then for now, then in zip(self.buckets, before.buckets, strict=True))
        return PluginTotals(self.calls - before.calls, errors, buckets)

    def plus(self, other: "PluginTotals") -> "PluginTotals":
        """Return the sum of both."""
        errors = {
            kind: self.errors.get(kind, 0.0) + other.errors.get(kind, 0.0) for kind in {*self.errors, *other.errors}
        }
        buckets = tuple(one + another for one, another in zip(self.buckets, other.buckets, strict=True))
        return PluginTotals(self.calls + other.calls, errors, buckets)


def read_totals(executions: Counter, refusals: Counter, duration: Histogram) -> dict[str, PluginTotals]:
    """Return what these count by plugin."""
    calls: dict[str, float] = defaultdict(float)
    errors: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for name, code, count in (*_counts(executions, "outcome"), *_counts(refusals, "code")):
        calls[name] += count
        if code not in _NO_ERRORS:
            errors[name][_type_of(code)] += count
    buckets = _bucket_counts(duration)
    none = PluginTotals().buckets
    return {name: PluginTotals(calls[name], dict(errors[name]), buckets.get(name, none)) for name in calls}


def _counts(counter: Counter, label: str) -> Iterator[tuple[str, str, float]]:
    for family in counter.collect():
        for sample in family.samples:
            if sample.name.endswith("_total"):
                yield sample.labels["plugin"], sample.labels[label], sample.value


def _bucket_counts(histogram: Histogram) -> dict[str, tuple[float, ...]]:
    """Return each plugin's executions by bucket; the library tells how many lie at or below each bound."""
    below: dict[str, list[float]] = {}
    for family in histogram.collect():
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                below.setdefault(sample.labels["plugin"], []).append(sample.value)
    return {name: tuple(b - a for a, b in zip((0.0, *counts), counts, strict=False)) for name, counts in below.items()}


def _type_of(code: str) -> str:
    row = ERROR_CODES.get(code)
    return row.type.value if row is not None else ErrorType.INTERNAL.value
