"""Watches real calls of a running application: which step of the governed path was entered, and from which other.

``sys.setprofile`` reports every call; no object of the application is replaced.
"""

import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import httpx

from app.main import create_app
from app.plugins.loader.plugin_registry import PluginRegistry
from app.settings import Settings
from support.running_server import PATIENCE_S, Home

_SERVICES = "app.services.execution."
_STEPS = {
    (f"{_SERVICES}analysis_execution_service", "AnalysisExecutionService.execute"): "request",
    (f"{_SERVICES}analysis_execution_service", "AnalysisExecutionService.submit"): "request",
    (f"{_SERVICES}job_execution_service", "JobExecutionService.create_job_async"): "job is made",
    (f"{_SERVICES}job_execution_service", "JobExecutionService.accept"): "job is made",
    (f"{_SERVICES}job_execution_service", "JobExecutionService.run_to_end"): "job is run",
    (f"{_SERVICES}job_runs", "JobRuns._run"): "job is taken up",
    (f"{_SERVICES}plugin_execution_service", "PluginExecutionService.execute_async"): "admission",
    ("app.plugins.runtime.tool_runner", "ToolRunner.run_async"): "gate",
    ("app.plugins.runtime.tool_runner", "ToolRunner.run"): "gate",
    ("app.plugins.sandbox.pool", "ProcessWorkers.run_async"): "worker",
    ("app.plugins.sandbox.embedded", "EmbeddedThreads.call"): "embedded",
    ("app.plugins.loader.plugin_registry", "PluginRegistry.update_execution_metrics"): "registry",
}
_FILES = ("_service.py", "job_runs.py", "tool_runner.py", "pool.py", "embedded.py", "plugin_registry.py")
CHAIN = ("request", "job is made", "job is run", "admission", "gate", "worker", "registry")


@dataclass(frozen=True)
class Step:
    """One entry into a step of the path; ``caller`` is the step that it was entered from, if any."""

    name: str
    caller: str | None


class Trace:
    """A context manager that notes every entry into a step while it is open, on all threads started within it."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._seen: dict[int, FrameType] = {}

    def __enter__(self) -> "Trace":
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)
        self._seen.clear()

    def _note(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or (name := _step_of(frame)) is None or id(frame) in self._seen:
            return
        # A coroutine is called once and resumed often: its frame, kept alive here, tells the two apart.
        self._seen[id(frame)] = frame
        self.steps.append(Step(name, _caller_of(frame)))


def _step_of(frame: FrameType) -> str | None:
    code = frame.f_code
    if not code.co_filename.endswith(_FILES):
        return None
    return _STEPS.get((frame.f_globals.get("__name__", ""), code.co_qualname))


def _caller_of(frame: FrameType) -> str | None:
    outer = frame.f_back
    while outer is not None:
        if (name := _step_of(outer)) is not None:
            return name
        outer = outer.f_back
    return None


@asynccontextmanager
async def traced_app(home: Home, registry: PluginRegistry | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Run the application in this process, with real workers, and yield a client of it."""
    settings = Settings(data_dir=home.data, plugins_dir=home.plugins, installed_plugins=False, log_level="error")
    app = create_app(settings, registry if registry is not None else PluginRegistry())
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", timeout=PATIENCE_S) as client,
    ):
        yield client
