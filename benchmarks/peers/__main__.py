"""``make bench-peers``: Sightgate beside other servers; writes a table and a plot."""

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.peers.catalog import PEERS, SIGHTGATE, Peer
from benchmarks.peers.environments import FOLDER, ROOT
from benchmarks.peers.figures import Figures, read, save
from benchmarks.peers.plot import render_plot
from benchmarks.peers.report import render_page
from benchmarks.peers.rounds import CONNECTIONS, Plan, measure
from benchmarks.sample import jpeg_of_150_kb

PAGE, PLOT, KEPT = "benchmarks.md", "benchmarks.svg", "figures.json"


def main() -> None:
    asked = read_arguments()
    if asked.render:
        write(read(asked.render), asked.out)
        return
    # As Ctrl-C does: leave through the blocks that end the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    peers = choose(asked.only)
    plan = Plan(asked.rounds, asked.seconds, asked.stats_seconds, tuple(asked.connections))
    print(f"{len(peers)} servers, {plan.rounds} rounds: about {plan.minutes(len(peers)):.0f} minutes", flush=True)
    figures = measure(peers, plan, jpeg_of_150_kb())
    FOLDER.mkdir(exist_ok=True)
    save(figures, FOLDER / KEPT)
    write(figures, asked.out)


def read_arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=1.5, help="of a case with the no-op, each round")
    arguments.add_argument(
        "--stats-seconds", type=float, default=3.0, help="of a case with the real plugin, each round"
    )
    arguments.add_argument("--connections", type=int, nargs="+", default=CONNECTIONS)
    arguments.add_argument("--only", nargs="+", metavar="NAME", choices=[peer.name for peer in PEERS], default=[])
    arguments.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of the table and the plot")
    arguments.add_argument(
        "--render", type=Path, metavar="FIGURES", help="write table and plot of a run's figures.json"
    )
    return arguments.parse_args()


def choose(only: list[str]) -> tuple[Peer, ...]:
    """The named peers, and Sightgate, to which all are compared."""
    return tuple(peer for peer in PEERS if not only or peer.name in only or peer is SIGHTGATE)


def write(figures: Figures, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).write_text(render_page(figures, PLOT))
    (folder / PLOT).write_text(render_plot(figures))
    print(f"written: {folder / PAGE} and {folder / PLOT}")


if __name__ == "__main__":
    main()
