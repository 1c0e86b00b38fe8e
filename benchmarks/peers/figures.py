"""What was measured: plain records, kept as JSON, so that table and plot can be written again without a new run."""

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.load import Load
from benchmarks.peers.processes import Memory


@dataclass(frozen=True, order=True)
class Case:
    """One column of the measurement: which function, how the image is sent, by how many connections."""

    function: str
    encoding: str
    connections: int


@dataclass(frozen=True)
class Sample:
    """One run of one case against one server."""

    server: str
    round: int
    case: Case
    load: Load


@dataclass(frozen=True)
class Server:
    """A server of the measurement. `left_out` says why it has no figures, or nothing."""

    name: str
    title: str
    version: str = ""
    model_server: bool = True
    left_out: str = ""


@dataclass(frozen=True)
class Setting:
    """Where and how it was measured."""

    machine: str
    python: str
    generator: str
    rounds: int
    null_s: float
    stats_s: float
    image_bytes: int


@dataclass
class Figures:
    """Everything of one measurement. It grows while the rounds run."""

    setting: Setting
    servers: list[Server] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    memory: dict[str, list[Memory]] = field(default_factory=dict)
    floor: list[float] = field(default_factory=list)

    def measured(self) -> list[Server]:
        """The servers that have figures."""
        return [server for server in self.servers if any(sample.server == server.name for sample in self.samples)]

    def left_out(self) -> list[Server]:
        return [server for server in self.servers if server.left_out]

    def cases(self) -> list[Case]:
        return sorted({sample.case for sample in self.samples})

    def of(self, server: str, case: Case) -> dict[int, Load]:
        """A server's loads of a case, by round."""
        return {sample.round: sample.load for sample in self.samples if (sample.server, sample.case) == (server, case)}

    def median(self, server: str, case: Case, value: Callable[[Load], float]) -> float | None:
        """Median over the rounds in which there were right answers; None if there were none."""
        values = [value(load) for load in self.of(server, case).values() if load.answers]
        return statistics.median(values) if values else None

    def ratios(self, case: Case, ours: str, theirs: str) -> list[float]:
        """Requests a second of `ours` over `theirs`, round by round, sorted."""
        mine, other = self.of(ours, case), self.of(theirs, case)
        return sorted(
            mine[turn].requests_s / other[turn].requests_s
            for turn in mine.keys() & other.keys()
            if mine[turn].answers and other[turn].answers
        )

    def failed(self, server: str, case: Case) -> tuple[int, int]:
        """Wrong answers, and all answers."""
        loads = self.of(server, case).values()
        failed = sum(load.failed for load in loads)
        return failed, failed + sum(load.answers for load in loads)

    def memory_of(self, server: str) -> Memory | None:
        """Median over the rounds."""
        sizes = self.memory.get(server)
        if not sizes:
            return None
        return Memory(statistics.median(size.mib for size in sizes), all(size.exact for size in sizes))


def requests_s(load: Load) -> float:
    return load.requests_s


def p50_ms(load: Load) -> float:
    return load.p50_ms


def p99_ms(load: Load) -> float:
    return load.p99_ms


def save(figures: Figures, file: Path) -> None:
    file.write_text(json.dumps(asdict(figures), indent=1))


def read(file: Path) -> Figures:
    kept = json.loads(file.read_text())
    return Figures(
        Setting(**kept["setting"]),
        [Server(**row) for row in kept["servers"]],
        [Sample(row["server"], row["round"], Case(**row["case"]), Load(**row["load"])) for row in kept["samples"]],
        {name: [Memory(**size) for size in sizes] for name, sizes in kept["memory"].items()},
        kept["floor"],
    )
