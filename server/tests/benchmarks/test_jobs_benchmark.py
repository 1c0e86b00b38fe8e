"""The benchmark of jobs: Sightgate's harness really runs, and the page shows given figures with right ratios."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.jobs import rounds, tally
from benchmarks.jobs.catalog import QUEUES
from benchmarks.jobs.figures import Figures, Growth, Listing, Row, Sample, Setting, read, save
from benchmarks.jobs.images import numbered
from benchmarks.jobs.report import render_page
from benchmarks.sample import jpeg_of_150_kb

ROOT = Path(__file__).resolve().parents[3]
NOTES_A_CALL = "import sys; from benchmarks.jobs import tally; tally.run(sys.stdin.buffer.read())"


@pytest.fixture
def figures() -> Figures:
    """Two rounds: Sightgate on SQLite is 2 and 4 times as fast to the end as SAQ, and 3 times as Procrastinate."""
    rows = [
        Row("sightgate", "Sightgate, SQLite", "synced", True),
        Row("saq", "SAQ", "in memory", False, "redis", "saq 1"),
        Row("procrastinate", "Procrastinate", "synced", False, "postgres", "procrastinate 3"),
        Row("celery", "Celery", "in memory", False, "redis", left_out="it could not be installed"),
    ]
    seconds = {"sightgate": (1.0, 1.0), "saq": (2.0, 4.0), "procrastinate": (3.0, 3.0)}
    samples = [
        Sample(name, turn, 1000, done / 2, done, [2.0, 4.0 + turn], twice=int(name == "saq"))
        for name, both in seconds.items()
        for turn, done in enumerate(both)
    ]
    return Figures(Setting("A machine", "3.11", 2, 1000, 2, 150_000), rows, samples)


def line(page: str, start: str) -> str:
    return next(row for row in page.partition("## The queues")[2].splitlines() if row.startswith(start))


def test_a_ratio_is_the_median_of_the_rounds_with_their_range(figures):
    page = render_page(figures)
    assert line(page, "| SAQ") == "| SAQ | 750 | 375 | 3.00 (2.00–4.00) | – | 4.0 / 5.0 |"
    assert line(page, "| **Sightgate, SQLite") == "| **Sightgate, SQLite** | 2000 | 1000 | – | – | 4.0 / 5.0 |"
    assert "the fastest queue, SAQ: 375/s | 3.00 (2.00–4.00) | ≥ 2 |" in page


def test_a_queue_that_was_left_out_or_ran_jobs_twice_is_named(figures):
    page = render_page(figures)
    assert "- Celery is left out: it could not be installed." in page
    assert "| Celery" not in page
    assert "- SAQ ran jobs a second time, 2 in all." in page


def test_figures_are_the_same_after_being_kept(figures, tmp_path):
    figures.growth.append(Growth(1000, 150.5, True))
    figures.listings.append(Listing("SQLite", "no filter", 1.25, 3.0))
    save(figures, tmp_path / "figures.json")
    assert read(tmp_path / "figures.json") == figures
    assert "| 1000 | 150 |" in render_page(figures)
    assert "| no filter | 1.2 / 3.0 |" in render_page(figures)


def test_calls_of_other_processes_are_counted_once_each(tmp_path):
    file = tmp_path / "tally"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), tally.PLACE: str(file)}
    counted = tally.Tally(file)
    for number in (0, 1, 1):
        image = numbered(b"image", number)
        subprocess.run([sys.executable, "-c", NOTES_A_CALL], input=image, env=environment, check=True)
    assert (counted.count(), counted.distinct()) == (3, 2)
    first, then = counted.started_ns(0), counted.started_ns(1)
    assert first is not None
    assert then is not None
    assert first < then
    assert counted.started_ns(7) is None


def test_a_round_over_http_gives_figures():
    queue = next(queue for queue in QUEUES if queue.name == "sightgate-http")
    figures = rounds.measure((queue,), rounds.Plan(rounds=1, jobs=20, picks=2), jpeg_of_150_kb())
    assert [row.left_out for row in figures.rows] == [""]
    sample = figures.samples[0]
    assert (sample.jobs, sample.twice, len(sample.pick_up_ms)) == (20, 0, 2)
    assert 0 < sample.enqueue_s <= sample.done_s
    assert all(time > 0 for time in sample.pick_up_ms)
