"""The figures of the last hour: what was counted between two looks, for no longer than is held."""

import asyncio
from collections.abc import Mapping

import pytest

from app.governance.error_envelope import build_error_envelope
from app.governance.errors import CallEnded, InputValidationError
from app.governance.lifecycle import Outcome
from app.observability.history import KEPT, History, Load, quantile_ms
from app.observability.metrics import Metrics
from app.observability.process_memory import resident_bytes
from app.observability.totals import BUCKETS_S


class Server:
    """Real metrics, a load of the test's own, and a clock that only the test moves."""

    def __init__(self) -> None:
        self.metrics = Metrics(lambda name: name in ("ocr", "faces"))
        self.now = Load(plugins=("faces", "ocr"))
        self.seconds = 100.0
        self.history = History(self.metrics.totals, self.load, 10.0, clock=lambda: self.seconds)

    async def load(self) -> Load:
        return self.now

    async def look_after(self, seconds: float) -> None:
        self.seconds += seconds
        await self.history.sample()

    def ran(self, plugin: str, ms: float, times: int = 1) -> None:
        for _ in range(times):
            self.metrics.executed(plugin, Outcome.SUCCESS, ms, {}, None)

    def failed(self, plugin: str, code: str) -> None:
        failure = InputValidationError(code) if code == "empty_image" else CallEnded(code)
        self.metrics.executed(plugin, Outcome.ERROR, 20.0, build_error_envelope(failure, plugin), None)


@pytest.fixture
def server() -> Server:
    return Server()


async def test_a_sample_holds_what_happened_since_the_one_before(server: Server) -> None:
    server.ran("ocr", 20.0, times=40)
    await server.look_after(10)
    await server.look_after(10)
    server.ran("faces", 20.0, times=10)
    await server.look_after(5)
    assert [sample.calls.calls for sample in server.history.server()] == [4.0, 0.0, 2.0]
    assert [calls.calls for calls in server.history.plugin("ocr").calls] == [4.0, 0.0, 0.0]
    assert [calls.calls for calls in server.history.plugin("faces").calls] == [0.0, 0.0, 2.0]


async def test_errors_are_told_by_type_refusals_among_them_and_what_was_cancelled_not(server: Server) -> None:
    server.failed("ocr", "plugin_timeout")
    server.failed("ocr", "cancelled")
    server.failed("faces", "empty_image")
    server.metrics.refused("ocr", "overloaded")
    server.metrics.refused("made-up", "plugin_not_found")
    await server.look_after(1)
    (sample,) = server.history.server()
    assert sample.calls.calls == 5
    assert sample.calls.errors == {"PluginError": 3.0, "ValidationError": 1.0}
    assert server.history.plugin("ocr").calls[0].errors == {"PluginError": 2.0}
    assert server.history.plugin("made-up").calls == []


async def test_latency_is_that_of_the_calls_between_the_two_looks_alone(server: Server) -> None:
    server.ran("ocr", 4_000.0, times=100)
    await server.look_after(10)
    server.ran("ocr", 20.0, times=98)
    server.ran("ocr", 400.0, times=2)
    await server.look_after(10)
    await server.look_after(10)
    slow, fast, none = (sample.calls for sample in server.history.server())
    assert slow.p50_ms is not None
    assert 2_500 < slow.p50_ms <= 5_000
    assert fast.p50_ms is not None
    assert fast.p99_ms is not None
    assert 10 < fast.p50_ms <= 25
    assert 250 < fast.p99_ms <= 500
    assert (none.p50_ms, none.p95_ms, none.p99_ms) == (None, None, None)


async def test_the_load_is_what_it_was_at_the_look(server: Server) -> None:
    server.now = Load((), waiting_calls=3, waiting_jobs=None, in_flight=2, workers=5, server_memory=1, worker_memory=2)
    await server.look_after(10)
    assert server.history.server()[0].load == server.now


async def test_no_more_is_held_than_an_hour_and_a_plugin_that_is_gone_is_forgotten(server: Server) -> None:
    for _ in range(KEPT + 20):
        await server.look_after(10)
    assert len(server.history.server()) == len(server.history.plugin("ocr").times) == KEPT
    server.now = Load(plugins=("faces",))
    await server.look_after(10)
    assert server.history.plugin("ocr").times == []
    assert len(server.history.plugin("faces").times) == KEPT


async def test_it_looks_by_itself_until_it_is_stopped(server: Server) -> None:
    history = History(server.metrics.totals, server.load, 0.01)
    history.start()
    async with asyncio.timeout(30):
        while len(history.server()) < 3:
            await asyncio.sleep(0.01)
    await history.stop()
    held = len(history.server())
    await asyncio.sleep(0.05)
    assert len(history.server()) == held


@pytest.mark.parametrize(
    ("at_bound", "share", "ms"),
    [
        ({}, 0.5, None),
        ({0.01: 10}, 1.0, 10.0),
        ({0.01: 10}, 0.5, 7.5),  # half way between 5 and 10 ms
        ({0.01: 10, 1.0: 10}, 0.5, 10.0),
        ({0.01: 99, 30.0: 1}, 0.99, 10.0),
        ({None: 5}, 0.5, 60_000.0),
    ],
)
def test_a_quantile_is_told_from_the_buckets(at_bound: Mapping[float | None, int], share: float, ms: float) -> None:
    buckets = [float(at_bound.get(bound, 0)) for bound in (*BUCKETS_S, None)]
    assert quantile_ms(buckets, share) == (None if ms is None else pytest.approx(ms))


def test_a_process_that_has_ended_has_no_memory() -> None:
    assert resident_bytes([2**30]) == 0
