"""The rounds: each starts one queue after the other with what it needs, gives it jobs, and ends it.

The order turns with each round, so that no queue always runs beside the same noise.
"""

import contextlib
import json
import os
import platform
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.jobs.catalog import QUEUES, Queue
from benchmarks.jobs.figures import Figures, Listing, Row, Sample, Setting, done_s, enqueued_s
from benchmarks.jobs.services import free_port, service
from benchmarks.jobs.tally import PLACE
from benchmarks.peers.environments import FOLDER, ROOT, LeftOut, prepare_environment, version_of
from benchmarks.peers.processes import MARK, stop
from benchmarks.peers.rounds import describe_machine

LIMIT_S = 600.0


@dataclass(frozen=True)
class Plan:
    """How many rounds, jobs of a round, and idle pick-ups of a round."""

    rounds: int
    jobs: int
    picks: int


@dataclass(frozen=True)
class Place:
    """Where a queue runs in one round: its programs, its folder, and the variables of its processes."""

    queue: Queue
    programs: Path
    folder: Path
    mark: str
    url: str
    port: int

    def words(self, command: tuple[str, ...]) -> list[str]:
        words = {"bin": self.programs, "folder": self.folder, "url": self.url, "port": self.port}
        return [part.format(**words) for part in command]

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTGATE_")}
        own = dict(zip(self.queue.variables, self.words(tuple(self.queue.variables.values())), strict=True))
        ours = {
            "PYTHONPATH": str(ROOT),
            "BENCHMARK_FOLDER": str(self.folder),
            "BENCHMARK_PORT": str(self.port),
            PLACE: str(self.folder / "tally"),
            MARK: self.mark,
        }
        return kept | ours | ({"BENCHMARK_URL": self.url} if self.url else {}) | own


def measure(queues: tuple[Queue, ...], plan: Plan, image: bytes) -> Figures:
    """Run the plan. A queue that cannot be installed or started is left out, with the reason."""
    figures = Figures(
        Setting(describe_machine(), platform.python_version(), plan.rounds, plan.jobs, plan.picks, len(image))
    )
    programs = _prepare_all(queues, figures)
    for turn in range(plan.rounds):
        print(f"round {turn + 1} of {plan.rounds}", flush=True)
        for place in range(turn, turn + len(queues)):
            queue = queues[place % len(queues)]
            if queue.name in programs:
                try:
                    _measure_one(queue, programs[queue.name], plan, turn, image, figures)
                except LeftOut as reason:
                    del programs[queue.name]
                    _leave_out(queue, reason, figures)
    return figures


@contextlib.contextmanager
def placed(queue: Queue, programs: Path) -> Iterator[Place]:
    """Start what the queue needs, and its workers, in a new folder; end and remove all of it.

    Raises:
        LeftOut: Something of it does not start.
    """
    mark = secrets.token_hex(8)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobs-", ignore_cleanup_errors=True)))
        # PostgreSQL runs as another user, who must come through.
        folder.chmod(0o711)
        stack.callback(_keep_log, folder, queue)
        url = stack.enter_context(service(queue.service, folder, mark))
        place = Place(queue, programs, folder, mark, url, free_port())
        if queue.prepare:
            _prepare(place)
        for number in range(queue.processes if queue.workers else 0):
            stack.enter_context(_worker(place, number))
        yield place


def measure_listings(jobs: int, figures: Figures) -> None:
    """Fill a store of each kind with so many jobs, and time pages of its listing."""
    figures.setting = replace(figures.setting, listed=jobs)
    for queue in (queue for queue in QUEUES if queue.application.endswith(".in_process")):
        try:
            with placed(queue, prepare_environment(queue)) as place:
                said = _drive(place, ["-m", "benchmarks.jobs.listing", str(jobs)], b"")
        except LeftOut as reason:
            print(f"  no listing of {queue.title}: {reason}", flush=True)
            continue
        figures.listings += [Listing(**row) for row in said]


def _prepare_all(queues: tuple[Queue, ...], figures: Figures) -> dict[str, Path]:
    programs = {}
    for queue in queues:
        row = Row(queue.name, queue.title, queue.keeps, queue.ours, queue.service)
        figures.rows.append(row)
        try:
            programs[queue.name] = prepare_environment(queue)
            figures.rows[-1] = replace(row, version=f"{queue.package} {version_of(queue, programs[queue.name])}")
        except LeftOut as reason:
            _leave_out(queue, reason, figures)
    return programs


def _measure_one(queue: Queue, programs: Path, plan: Plan, turn: int, image: bytes, figures: Figures) -> None:
    with placed(queue, programs) as place:
        asked = ["-m", "benchmarks.jobs.driver", queue.application, str(plan.jobs), str(plan.picks)]
        said = _drive(place, asked, image)
    sample = Sample(queue.name, turn, **said)
    figures.samples.append(sample)
    pick_up = sorted(sample.pick_up_ms)[len(sample.pick_up_ms) // 2]
    rates = f"enqueue {enqueued_s(sample):7.0f}/s   to the end {done_s(sample):7.0f}/s"
    print(f"  {queue.title:<34}{rates}   idle pick-up {pick_up:7.1f} ms", flush=True)


def _drive(place: Place, asked: list[str], image: bytes) -> Any:
    with (FOLDER / f"{place.queue.name}-driver.log").open("wb") as log:
        try:
            done = subprocess.run(
                [place.programs / "python", *asked],
                input=image,
                stdout=subprocess.PIPE,
                stderr=log,
                env=place.environment(),
                cwd=place.folder,
                timeout=LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as failure:
            raise LeftOut(f"it did not come to an end within {LIMIT_S:.0f} s") from failure
    if done.returncode:
        raise LeftOut("its jobs could not be given or did not all run right")
    return json.loads(done.stdout.splitlines()[-1])


def _prepare(place: Place) -> None:
    done = subprocess.run(
        place.words(place.queue.prepare), env=place.environment(), cwd=place.folder, capture_output=True, check=False
    )
    if done.returncode:
        raise LeftOut("its database could not be prepared")


@contextlib.contextmanager
def _worker(place: Place, number: int) -> Iterator[None]:
    mark = f"{place.mark}-{number}"
    with (place.folder / f"worker-{number}.log").open("wb") as log:
        process = subprocess.Popen(
            place.words(place.queue.workers),
            env={**place.environment(), MARK: mark},
            cwd=place.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        stop(process, mark)


def _keep_log(folder: Path, queue: Queue) -> None:
    for log in folder.glob("*.log"):
        shutil.copy(log, FOLDER / f"{queue.name}-{log.name}")


def _leave_out(queue: Queue, reason: LeftOut, figures: Figures) -> None:
    print(f"  {queue.title} is left out: {reason}", flush=True)
    place = next(place for place, row in enumerate(figures.rows) if row.name == queue.name)
    figures.rows[place] = replace(figures.rows[place], left_out=str(reason))
