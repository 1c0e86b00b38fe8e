"""What the gate adds to an embedded plugin's own call."""

import io
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.governance.schema_check import options_check, result_check
from app.observability.logs import configure_logs
from app.observability.metrics import Metrics
from app.plugins.loader.plugin_registry import PluginRecord, PluginRegistry
from app.plugins.runtime.tool_runner import ToolRunner
from benchmarks.plugins.null import Null
from sightgate.manifest import Manifest

ROUNDS, CALLS = 15, 2_000
SCHEMA = {"type": "object", "properties": {"bytes": {"type": "integer"}}}


@dataclass(frozen=True)
class GateCost:
    """Microseconds a call, medians of the rounds: the bare function, and what the gate adds to it."""

    bare_us: float
    plain_us: float
    full_us: float


def measure_gate(image: bytes) -> GateCost:
    """Interleave the bare function, the gate alone, and the gate with log, metrics and schemas."""
    payload = {"image": image, "mime_type": "image/jpeg", "options": {}}
    plain = PluginRegistry()
    plain.register("null", Null())
    full = PluginRegistry()
    record = PluginRecord(
        Manifest("null"), options_check=options_check({"type": "object"}), result_check=result_check(SCHEMA)
    )
    full.register("null", Null(), record=record)
    configure_logs("json", "info", io.TextIOWrapper(io.BytesIO()))
    gates = ToolRunner(plain), ToolRunner(full, observer=Metrics(lambda name: True))
    bare = Null().run
    rounds = [
        (
            _per_call(lambda: bare(payload)),
            _per_call(lambda: gates[0].run("null", payload)),
            _per_call(lambda: gates[1].run("null", payload)),
        )
        for _ in range(ROUNDS)
    ]
    bare_us, plain_us, full_us = (statistics.median(column) for column in zip(*rounds, strict=True))
    return GateCost(bare_us, plain_us - bare_us, full_us - bare_us)


def _per_call(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - began) / CALLS * 1e6
