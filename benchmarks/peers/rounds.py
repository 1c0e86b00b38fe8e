"""The rounds: each starts one server after the other, asks it for every case, and ends it.

One server at a time, since an idle one takes time of the processors too (Ray Serve's ten processes do). The order
turns with each round, so that no server always runs beside the same noise.
"""

import os
import platform
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.generator import ROOT, Call, generator_name, run_load
from benchmarks.peers.catalog import ENCODINGS, Peer
from benchmarks.peers.environments import LeftOut, prepare_environment, version_of
from benchmarks.peers.figures import Case, Figures, Sample, Server, Setting
from benchmarks.peers.serving import Running, serving
from benchmarks.plugins.stats import Stats

WARM_UP_S = 1.0
CONNECTIONS = (1, 16, 64)
# Starting, warming up, ending; a little more than measured.
OVERHEAD_S = 10.0


@dataclass(frozen=True)
class Plan:
    """How long, how often and with how many connections; seconds are of one case of one round."""

    rounds: int
    null_s: float
    stats_s: float
    connections: tuple[int, ...] = CONNECTIONS

    def seconds(self, function: str) -> float:
        return self.stats_s if function == "stats" else self.null_s

    def minutes(self, servers: int) -> float:
        """About how long it takes, installing not counted."""
        # Answers under way at the end are waited for: about two seconds of the slow function at 64 connections.
        cases = len(self.connections) * len(ENCODINGS) * (self.null_s + self.stats_s + 0.8)
        return self.rounds * servers * (cases + self.stats_s + OVERHEAD_S) / 60


def measure(peers: tuple[Peer, ...], plan: Plan, image: bytes) -> Figures:
    """Run the plan. A peer that cannot be installed or started is left out, with the reason."""
    figures = Figures(describe_setting(plan, image))
    programs = _prepare_all(peers, figures)
    for turn in range(plan.rounds):
        print(f"round {turn + 1} of {plan.rounds}", flush=True)
        places = [place % len(peers) for place in range(turn, turn + len(peers))]
        for peer in (peers[place] for place in places):
            if peer.name in programs:
                figures.floor.append(_floor(plan.stats_s))
                print(f"  without a server, stats {figures.floor[-1]:.1f}/s", flush=True)
                _measure_one(peer, programs, plan, turn, image, figures)
    return figures


def describe_setting(plan: Plan, image: bytes) -> Setting:
    return Setting(
        describe_machine(),
        platform.python_version(),
        generator_name(),
        plan.rounds,
        plan.null_s,
        plan.stats_s,
        len(image),
    )


def describe_machine() -> str:
    return f"{_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB, {platform.system()}"


def expected_numbers(function: str, image: bytes) -> tuple[str, ...]:
    """The numbers that a right answer holds: the length, and for `stats` the mean of a channel."""
    if function == "null":
        return (str(len(image)),)
    result = Stats().run({"image": image, "mime_type": "image/jpeg", "options": {}})
    return str(len(image)), str(result["channels"][0]["mean"])


def _prepare_all(peers: tuple[Peer, ...], figures: Figures) -> dict[str, Path]:
    programs = {}
    for peer in peers:
        server = Server(peer.name, peer.title, model_server=peer.model_server)
        try:
            programs[peer.name] = prepare_environment(peer)
            server = replace(server, version=f"{peer.package} {version_of(peer, programs[peer.name])}")
        except LeftOut as reason:
            server = _leave_out(server, reason)
        figures.servers.append(server)
    return programs


def _measure_one(peer: Peer, programs: dict[str, Path], plan: Plan, turn: int, image: bytes, figures: Figures) -> None:
    try:
        with serving(peer, programs[peer.name]) as running:
            # `stats` first: memory is that of the server and the workers of one function.
            for function in ("stats", "null"):
                _measure_function(running, function, plan, turn, image, figures)
    except LeftOut as reason:
        del programs[peer.name]
        place = next(place for place, server in enumerate(figures.servers) if server.name == peer.name)
        figures.servers[place] = _leave_out(figures.servers[place], reason)


def _measure_function(running: Running, function: str, plan: Plan, turn: int, image: bytes, figures: Figures) -> None:
    expected = expected_numbers(function, image)
    peer = running.peer
    kinds = {"JSON": "application/json", "raw": "image/jpeg"}
    calls = {
        encoding: Call(
            running.port, peer.path(function, encoding), kind, peer.encode(function, encoding, image), expected
        )
        for encoding, kind in kinds.items()
    }
    try:
        for call in calls.values():
            run_load(call, 16, WARM_UP_S / len(calls), running.prefix)
        for encoding, call in calls.items():
            for connections in plan.connections:
                case = Case(function, encoding, connections)
                load = run_load(call, connections, plan.seconds(function), running.prefix)
                figures.samples.append(Sample(peer.name, turn, case, load))
                _tell(peer, case, load.requests_s, load.p99_ms, load.failed)
    except (RuntimeError, subprocess.TimeoutExpired) as failure:
        raise LeftOut(f"it stopped answering during {function}") from failure
    if function == "stats":
        figures.memory.setdefault(peer.name, []).append(running.memory())


def _tell(peer: Peer, case: Case, rate: float, p99_ms: float, failed: int) -> None:
    wrong = f"  {failed} WRONG ANSWERS" if failed else ""
    what = f"{case.function} {case.encoding} c{case.connections}"
    print(f"  {peer.title:<24}{what:<16}{rate:9.1f}/s   p99 {p99_ms:8.1f} ms{wrong}", flush=True)


def _leave_out(server: Server, reason: LeftOut) -> Server:
    print(f"  {server.title} is left out: {reason}", flush=True)
    return replace(server, left_out=str(reason))


def _floor(seconds: float) -> float:
    asked = [sys.executable, "-m", "benchmarks.floor", str(seconds)]
    return float(subprocess.run(asked, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
