"""Servers, workers and the database are killed while clients submit, cancel and read: nothing accepted is lost."""

import secrets
from pathlib import Path

import pytest

from kill.mayhem import Plan, run

# The bucket makes a round longer: its run is shorter.
SECONDS = {"sqlite": 12.0, "postgres": 12.0, "s3": 8.0}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("store", [*SECONDS])
def test_every_accepted_job_ends_once_whatever_is_killed(store: str, tmp_path: Path) -> None:
    plan = Plan(store, SECONDS[store], secrets.token_hex(4))
    report = run(plan, tmp_path)
    assert report.faults == [], f"replay: {plan.replay}"
    assert report.jobs > 0
    # It did happen: otherwise nothing was shown.
    assert any("a server is killed" in what for what in report.counts)
    assert store != "s3" or any("the blobs hang" in what for what in report.counts)
    assert report.counts["jobs that ended SUCCESS"] > 0
    assert report.counts["webhooks that came"] > 0
