"""``make soak``: the kill test for as long as is asked, on one kind of stores or on all by turns.

    make soak ARGS="--minutes 30"                          all, by turns of five minutes at most, new seeds
    make soak ARGS="--on postgres --seed 7 --minutes 0.5"  what a failure told

Ends with status 1 at the first run with a fault; its folder is kept.
"""

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from kill.mayhem import CLUSTERS, Plan, run

TURN_S = 300.0


def main() -> None:
    arguments = argparse.ArgumentParser(prog="make soak", description=__doc__)
    arguments.add_argument("--minutes", type=float, default=20.0)
    arguments.add_argument("--on", choices=[*CLUSTERS], help="one kind of stores only")
    arguments.add_argument("--seed", help="of the one run to do; without, each turn has a new one")
    asked = arguments.parse_args()
    # As Ctrl-C does: leave through the blocks that end the servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))
    stores = [asked.on] if asked.on else [*CLUSTERS]
    until = time.monotonic() + 60 * asked.minutes
    turn = 0
    while (left := until - time.monotonic()) > 0:
        share = 60 * asked.minutes / len(stores)
        seconds = 60 * asked.minutes if asked.seed else min(left, share, TURN_S)
        _turn(Plan(stores[turn % len(stores)], seconds, asked.seed or secrets.token_hex(4)))
        turn += 1
        if asked.seed and turn == len(stores):
            break


def _turn(plan: Plan) -> None:
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    print(f"{plan.on}, {plan.seconds:.0f} s, seed {plan.seed}", flush=True)
    report = run(plan, folder, lambda line: print(f"  {line}", flush=True))
    print(f"  {report.jobs} jobs", *(f"  {number:6} {what}" for what, number in report.counts.items()), sep="\n")
    if report.faults:
        print(f"{len(report.faults)} FAULTS; what is left of it is in {folder}", *report.faults[:50], sep="\n  ")
        print(f"replay: {plan.replay}")
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
