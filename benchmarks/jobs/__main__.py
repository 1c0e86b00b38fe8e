"""``make bench-jobs``: Sightgate's durable jobs beside job queues; writes docs/benchmarks-jobs.md."""

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.jobs.catalog import QUEUES, Queue
from benchmarks.jobs.figures import Figures, read, save
from benchmarks.jobs.growth import measure_growth
from benchmarks.jobs.report import render_page
from benchmarks.jobs.rounds import Plan, measure, measure_listings
from benchmarks.peers.environments import FOLDER, ROOT
from benchmarks.sample import jpeg_of_150_kb

PAGE, KEPT = "benchmarks-jobs.md", "figures-jobs.json"
QUICK = Plan(rounds=1, jobs=200, picks=10)


def main() -> None:
    asked = read_arguments()
    if asked.render:
        write(read(asked.render), asked.out)
        return
    # As Ctrl-C does: leave through the blocks that end the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    queues = choose(asked.only)
    plan = QUICK if asked.quick else Plan(asked.rounds, asked.jobs, asked.picks)
    print(f"{len(queues)} queues, {plan.rounds} rounds, {plan.jobs} jobs each", flush=True)
    figures = measure(queues, plan, jpeg_of_150_kb())
    if asked.memory:
        figures.growth = measure_growth(asked.memory)
    if asked.listing:
        measure_listings(asked.listing, figures)
    save(figures, FOLDER / KEPT)
    write(figures, asked.out)


def read_arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.jobs", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--jobs", type=int, default=2000, help="given at once, in each round")
    arguments.add_argument("--picks", type=int, default=40, help="jobs given one by one, in each round")
    arguments.add_argument("--quick", action="store_true", help="one short round: shows that all runs, measures little")
    arguments.add_argument("--only", nargs="+", metavar="NAME", choices=[queue.name for queue in QUEUES], default=[])
    arguments.add_argument(
        "--memory",
        type=int,
        nargs="?",
        const=100_000,
        default=0,
        metavar="JOBS",
        help="also: is memory flat over so many",
    )
    arguments.add_argument(
        "--listing", type=int, nargs="?", const=1_000_000, default=0, metavar="JOBS", help="also: pages out of so many"
    )
    arguments.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of the page")
    arguments.add_argument("--render", type=Path, metavar="FIGURES", help="write the page of a run's figures-jobs.json")
    return arguments.parse_args()


def choose(only: list[str]) -> tuple[Queue, ...]:
    """The named queues, and Sightgate in-process, to which all are compared."""
    return tuple(queue for queue in QUEUES if not only or queue.name in only or queue.name == "sightgate")


def write(figures: Figures, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_text(render_page(figures))
    print(f"written: {folder / PAGE}")


if __name__ == "__main__":
    main()
