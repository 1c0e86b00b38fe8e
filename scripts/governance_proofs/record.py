"""A pytest plugin: run only the wanted tests, and write down how each of them ended.

``GOVERNANCE_WANTED`` holds node ids, one a line; an id without parameters stands for all of them.
``GOVERNANCE_RESULTS`` names the file that gets one JSON object a line: ``{"node": …, "phase": …, "outcome": …}``.
"""

import json
import os
from pathlib import Path

import pytest


def is_wanted(node: str, wanted: frozenset[str]) -> bool:
    """Whether a node id is wanted, with its parameters or without."""
    return node in wanted or node.partition("[")[0] in wanted


class Recorder:
    """Appends a line as each phase of a test ends."""

    def __init__(self, wanted: frozenset[str], results: Path) -> None:
        self._wanted = wanted
        self._results = results

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if is_wanted(item.nodeid, self._wanted)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = "expected to fail" if hasattr(report, "wasxfail") else report.outcome
        line = json.dumps({"node": report.nodeid, "phase": report.when, "outcome": outcome})
        with self._results.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")


def pytest_configure(config: pytest.Config) -> None:
    wanted = frozenset(os.environ["GOVERNANCE_WANTED"].splitlines())
    config.pluginmanager.register(Recorder(wanted, Path(os.environ["GOVERNANCE_RESULTS"])))
