"""What was measured of queues: plain records, kept as JSON, so that the page can be written again without a new run."""

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One round of one queue: seconds until all jobs were accepted, until all had run; each idle pick-up, ms.

    `twice`: how many runs were beyond one a job.
    """

    queue: str
    round: int
    jobs: int
    enqueue_s: float
    done_s: float
    pick_up_ms: list[float]
    twice: int = 0


@dataclass(frozen=True)
class Row:
    """A queue of the measurement. `left_out` says why it has no figures, or nothing."""

    name: str
    title: str
    keeps: str
    ours: bool
    service: str = ""
    version: str = ""
    left_out: str = ""


@dataclass(frozen=True)
class Setting:
    """Where and how it was measured."""

    machine: str
    python: str
    rounds: int
    jobs: int
    picks: int
    image_bytes: int
    listed: int = 0


@dataclass(frozen=True)
class Growth:
    """Memory of all processes of a server after that many jobs, MiB (proportional set size)."""

    jobs: int
    mib: float
    exact: bool


@dataclass(frozen=True)
class Listing:
    """Milliseconds a page of one filter took out of `Setting.listed` jobs: the median, and the longest of all tries."""

    store: str
    what: str
    p50_ms: float
    worst_ms: float


@dataclass
class Figures:
    """Everything of one measurement. It grows while the rounds run."""

    setting: Setting
    rows: list[Row] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    growth: list[Growth] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)

    def measured(self) -> list[Row]:
        return [row for row in self.rows if not row.left_out and self.of(row.name)]

    def of(self, queue: str) -> dict[int, Sample]:
        """A queue's samples, by round."""
        return {sample.round: sample for sample in self.samples if sample.queue == queue}

    def median(self, queue: str, value: Callable[[Sample], float]) -> float | None:
        values = [value(sample) for sample in self.of(queue).values()]
        return statistics.median(values) if values else None

    def ratios(self, ours: str, theirs: str, value: Callable[[Sample], float]) -> list[float]:
        """`ours` over `theirs`, round by round, sorted."""
        mine, other = self.of(ours), self.of(theirs)
        return sorted(value(mine[turn]) / value(other[turn]) for turn in mine.keys() & other.keys())

    def pick_up_ms(self, queue: str, share: float) -> float | None:
        """The value below which `share` of all rounds' idle pick-ups lie."""
        times = sorted(time for sample in self.of(queue).values() for time in sample.pick_up_ms)
        return times[int(len(times) * share)] if times else None


def enqueued_s(sample: Sample) -> float:
    """Jobs accepted a second."""
    return sample.jobs / sample.enqueue_s


def done_s(sample: Sample) -> float:
    """Jobs a second from the first call to the last job's end."""
    return sample.jobs / sample.done_s


def save(figures: Figures, file: Path) -> None:
    file.write_text(json.dumps(asdict(figures), indent=1))


def read(file: Path) -> Figures:
    kept = json.loads(file.read_text())
    return Figures(
        Setting(**kept["setting"]),
        [Row(**row) for row in kept["rows"]],
        [Sample(**row) for row in kept["samples"]],
        [Growth(**row) for row in kept["growth"]],
        [Listing(**row) for row in kept["listings"]],
    )
