"""``make bench-scaling``: what more workers bring, and what a very large image does to other calls. Ratios count.

- `stats` computes: its throughput should rise with workers up to the cores.
- `sleep` waits: its throughput should rise with workers far beyond the cores.
- `null`, called with small images, should hardly notice that images of 50 megapixels arrive for another plugin, up to
  four a second.
"""

import argparse
import io
import os
import statistics
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from benchmarks.generator import Call, run_load
from benchmarks.load import Load
from benchmarks.peers.catalog import SIGHTGATE
from benchmarks.peers.environments import prepare_environment
from benchmarks.peers.serving import Running, serving
from benchmarks.sample import jpeg_of_150_kb

COMPUTING, WAITING = (1, 2), (1, 4, 16)
LARGE = (8192, 6104)
SMALL_CALLERS, LARGE_CALLERS, LARGE_PAUSE_S = 2, 1, 0.25


@dataclass(frozen=True)
class Disturbance:
    """Small calls alone, and beside large images: the times' ratios, round by round, and how many large were done."""

    plugin: str
    p50: list[float]
    p99: list[float]
    large_answers: int


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--seconds", type=float, default=4.0, help="of each run")
    asked = arguments.parse_args()
    small, large = jpeg_of_150_kb(), jpeg_of_50_megapixels()
    print(f"{os.cpu_count()} cores; {asked.rounds} rounds; {len(small)} bytes, and {len(large)} bytes of 50 megapixels")
    for plugin, counts in (("stats", COMPUTING), ("sleep", WAITING)):
        tell_scaling(plugin, measure_scaling(plugin, counts, small, asked.rounds, asked.seconds))
    for plugin in ("null_too", "stats"):
        tell_disturbance(measure_disturbance(plugin, small, large, asked.rounds, asked.seconds))


def jpeg_of_50_megapixels() -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(jpeg_of_150_kb())) as image:
        image.resize(LARGE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def measure_scaling(
    plugin: str, counts: tuple[int, ...], image: bytes, rounds: int, seconds: float
) -> dict[int, list[float]]:
    """Requests a second by number of workers, a value each round. Two callers for each worker keep it busy."""
    rates: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(rounds):
        for count in counts:
            with server({plugin: count}) as running:
                warm_up(running, plugin, image, 2 * count)
                rates[count].append(ask(running, plugin, image, 2 * count, seconds).requests_s)
    return rates


def measure_disturbance(plugin: str, small: bytes, large: bytes, rounds: int, seconds: float) -> Disturbance:
    """Small calls to `null`, alone and while large images go to `plugin`, which has one worker."""
    p50, p99, answers = [], [], 0
    with server({plugin: 1}) as running, ThreadPoolExecutor(1) as aside:
        for name, image in (("null", small), (plugin, large)):
            warm_up(running, name, image, 1)
        for _ in range(rounds):
            alone = ask(running, "null", small, SMALL_CALLERS, seconds)
            beside = aside.submit(ask, running, plugin, large, LARGE_CALLERS, seconds, LARGE_PAUSE_S)
            disturbed = ask(running, "null", small, SMALL_CALLERS, seconds)
            answers += beside.result().answers
            p50.append(disturbed.p50_ms / alone.p50_ms)
            p99.append(disturbed.p99_ms / alone.p99_ms)
    return Disturbance(plugin, p50, p99, answers)


@contextmanager
def server(workers: dict[str, int]) -> Iterator[Running]:
    """`sightgate serve` whose operator lets each named plugin have so many workers."""

    def limit(folder: Path) -> None:
        tables = [f"[{plugin}]\nlimits = {{ workers = {count} }}\n" for plugin, count in workers.items()]
        (folder / "plugins.toml").write_text("\n".join(tables))

    with serving(replace(SIGHTGATE, prepare=limit), prepare_environment(SIGHTGATE)) as running:
        yield running


def warm_up(running: Running, plugin: str, image: bytes, connections: int) -> None:
    """Have every worker started. With a pause the project's own generator asks, which waits for the answers."""
    ask(running, plugin, image, connections, 1.0, pause=0.001)


def ask(running: Running, plugin: str, image: bytes, connections: int, seconds: float, pause: float = 0.0) -> Load:
    path = SIGHTGATE.path(plugin, "raw")
    call = Call(running.port, path, "image/jpeg", image, (str(len(image)),), pause)
    load = run_load(call, connections, seconds)
    if load.failed or not load.answers:
        raise SystemExit(f"{plugin}: {load.failed} wrong answers, {load.answers} right; the figures would mean nothing")
    return load


def tell_scaling(plugin: str, rates: dict[int, list[float]]) -> None:
    first = min(rates)
    print(f"\n{plugin}, by workers")
    for count, measured in rates.items():
        ratio = statistics.median(rate / base for rate, base in zip(measured, rates[first], strict=True))
        print(f"  {count:2}   {statistics.median(measured):8.1f} requests/s   {ratio:5.2f} times one worker's")


def tell_disturbance(found: Disturbance) -> None:
    doing = "hardly looked at" if found.plugin == "null_too" else "decoded and measured"
    print(f"\nSmall calls while images of 50 megapixels are sent and {doing} ({found.large_answers} answers)")
    for name, ratios in (("p50", found.p50), ("p99", found.p99)):
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"  {name}   {statistics.median(ratios):5.2f} times the time alone (of the rounds: {spread})")


if __name__ == "__main__":
    main()
