"""Where the server's process spends its time under load: a table of shares, one row a module of ours.

``python -m benchmarks.server_profile`` starts `sightgate serve`, loads it, samples it with py-spy (fetched by uv), and
prints Markdown. A sample counts for the innermost of our modules on the stack, what it calls in libraries included; a
sample without one is the HTTP server's or the event loop's. Sampling takes the rights to trace a process.
"""

import argparse
import re
import subprocess
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.generator import Call, run_load
from benchmarks.peers.catalog import ENCODINGS, SIGHTGATE
from benchmarks.peers.environments import UV, prepare_environment
from benchmarks.peers.serving import serving
from benchmarks.sample import jpeg_of_150_kb

OURS = re.compile(r"\((?:[^()]*/)?((?:app|sightgate)/[\w/]+\.py):\d+\)")
# Stands outermost on each stack of the main thread, and says nothing.
STARTERS = "app/cli/"
OTHER = "uvicorn, FastAPI, event loop"
TYPES = {"JSON": "application/json", "raw": "image/jpeg"}


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.server_profile", description=__doc__)
    arguments.add_argument("--encoding", choices=ENCODINGS, default="raw")
    arguments.add_argument("--connections", type=int, default=16)
    arguments.add_argument("--seconds", type=float, default=20.0)
    asked = arguments.parse_args()
    print(render_shares(count_samples(sample_server(asked.encoding, asked.connections, asked.seconds))))


def sample_server(encoding: str, connections: int, seconds: float) -> str:
    """Collapsed stacks, a line each: frames from the outermost on, parted by semicolons, and a count."""
    image = jpeg_of_150_kb()
    body = SIGHTGATE.encode("null", encoding, image)
    with (
        tempfile.NamedTemporaryFile("r") as stacks,
        serving(SIGHTGATE, prepare_environment(SIGHTGATE)) as running,
        ThreadPoolExecutor(1) as aside,
    ):
        call = Call(running.port, SIGHTGATE.path("null", encoding), TYPES[encoding], body, (str(len(image)),))
        run_load(call, connections, 1.0)
        load = aside.submit(run_load, call, connections, seconds + 3.0)
        asked = ["--rate", "250", "--duration", f"{seconds:.0f}", "--format", "raw", "--output", stacks.name]
        command = [str(UV), "tool", "run", "--quiet", "py-spy", "record", *asked, "--pid", str(running.process.pid)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        print(f"while it answered {load.result().requests_s:.0f} requests a second ({encoding}, c{connections})\n")
        return Path(stacks.name).read_text()


def count_samples(stacks: str) -> Counter[str]:
    """Samples by the innermost module of ours."""
    counted: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        ours = [module for module in OURS.findall(frames) if not module.startswith(STARTERS)]
        counted[ours[-1] if ours else OTHER] += int(count)
    return counted


def render_shares(counted: Counter[str], least: float = 0.005) -> str:
    """A Markdown table, the largest share first; shares below `least` are left out."""
    everything = counted.total() or 1
    rows = [f"| `{module}` | {count / everything:.1%} |" for module, count in counted.most_common()]
    shown = [row for row, (_, count) in zip(rows, counted.most_common(), strict=True) if count >= least * everything]
    return "\n".join(["| module, with what it calls in libraries | share of samples |", "|---|---:|", *shown])


if __name__ == "__main__":
    main()
