"""The registry: what it knows of each plugin, under threads."""

import json
import math
import statistics
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.governance.errors import PluginNotFound, PluginRefused
from app.governance.lifecycle import Availability, Outcome
from app.plugins.loader.plugin_registry import RECENT_CALLS, PluginRecord, PluginRegistry, get_registry, percentile
from sightgate.manifest import Manifest, ManifestError


class Embedded:
    name = "ant"
    version = "1.0"
    limits = {"workers": 2}

    def run(self, payload: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True}


@pytest.fixture
def registry() -> PluginRegistry:
    made = PluginRegistry()
    made.register("ant", Embedded())
    return made


@pytest.fixture
def many_switches() -> Iterator[None]:
    """Threads change places as often as the interpreter lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def row(registry: PluginRegistry, name: str = "ant") -> dict[str, Any]:
    status = registry.get_status(name)
    assert status is not None
    return status


def record(registry: PluginRegistry, outcome: Outcome, ms: float = 1.0) -> None:
    registry.started("ant")
    registry.update_execution_metrics("ant", outcome, ms, outcome is not Outcome.SUCCESS)


def in_threads(*work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=part) for part in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_plugin_that_was_never_called_has_no_figures(registry: PluginRegistry) -> None:
    status = row(registry)
    assert (status["state"], status["reason"], status["last_used"]) == ("IDLE", None, None)
    assert status["avg_execution_time_ms"] is None
    assert status["p50_execution_time_ms"] is None
    assert status["success_count"] == status["error_count"] == status["in_flight"] == 0


def test_a_row_is_plain_json_and_carries_the_manifest(registry: PluginRegistry) -> None:
    record(registry, Outcome.SUCCESS)
    status = json.loads(json.dumps(row(registry)))
    assert (status["name"], status["version"], status["limits"]["workers"]) == ("ant", "1.0", 2)
    assert status["instance"] == registry.instance
    assert datetime.fromisoformat(status["since"]) <= datetime.fromisoformat(status["last_used"]) <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("outcomes", "state", "errors"),
    [
        ([Outcome.SUCCESS], "SUCCESS", 0),
        ([Outcome.ERROR], "ERROR", 1),
        ([Outcome.REFUSED], "IDLE", 1),
        ([Outcome.SUCCESS, Outcome.REFUSED], "SUCCESS", 1),
        ([Outcome.ERROR, Outcome.REFUSED], "ERROR", 2),
        ([Outcome.ERROR, Outcome.SUCCESS], "SUCCESS", 1),
        ([Outcome.SUCCESS, Outcome.CANCELLED], "SUCCESS", 0),
    ],
)
def test_the_state_is_the_last_outcome_that_reached_the_plugin(
    registry: PluginRegistry, outcomes: list[Outcome], state: str, errors: int
) -> None:
    for outcome in outcomes:
        record(registry, outcome)
    assert (row(registry)["state"], row(registry)["error_count"]) == (state, errors)


def test_a_cancelled_call_is_counted_as_cancelled_only(registry: PluginRegistry) -> None:
    record(registry, Outcome.CANCELLED)
    status = row(registry)
    assert (status["success_count"], status["error_count"], status["cancelled_count"]) == (0, 0, 1)


def test_calls_in_flight_show_as_running(registry: PluginRegistry) -> None:
    registry.started("ant")
    registry.started("ant")
    assert (row(registry)["state"], row(registry)["in_flight"]) == ("RUNNING", 2)
    registry.update_execution_metrics("ant", Outcome.ERROR, 1.0, True)
    assert (row(registry)["state"], row(registry)["in_flight"]) == ("RUNNING", 1)
    registry.update_execution_metrics("ant", Outcome.SUCCESS, 1.0, False)
    assert (row(registry)["state"], row(registry)["in_flight"]) == ("SUCCESS", 0)


def test_an_outcome_never_overwrites_availability(registry: PluginRegistry) -> None:
    registry.set_availability("ant", Availability.FAILED, "it rests")
    record(registry, Outcome.SUCCESS)
    assert (row(registry)["state"], row(registry)["reason"]) == ("FAILED", "it rests")
    registry.set_availability("ant", Availability.UNAVAILABLE, "disabled", "plugin_disabled")
    registry.started("ant")
    assert row(registry)["state"] == "UNAVAILABLE"
    registry.set_availability("ant", Availability.OK, None)
    assert (row(registry)["state"], row(registry)["reason"]) == ("RUNNING", None)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_the_mean_is_the_true_mean_and_percentiles_are_nearest_rank(times: list[float]) -> None:
    registry = PluginRegistry()
    registry.register("ant", Embedded())
    for ms in times:
        record(registry, Outcome.SUCCESS, ms)
    status, ordered = row(registry), sorted(times)
    assert math.isclose(status["avg_execution_time_ms"], statistics.fmean(times), rel_tol=1e-9, abs_tol=1e-9)
    assert status["last_execution_time_ms"] == times[-1]
    for name, share in (("p50", 50), ("p95", 95), ("p99", 99)):
        assert status[f"{name}_execution_time_ms"] == ordered[math.ceil(len(ordered) * share / 100) - 1]


def test_percentiles_are_over_the_last_thousand_calls_and_the_mean_over_all(registry: PluginRegistry) -> None:
    for _ in range(100):
        record(registry, Outcome.SUCCESS, 1_000.0)
    for _ in range(RECENT_CALLS):
        record(registry, Outcome.SUCCESS, 1.0)
    assert row(registry)["p99_execution_time_ms"] == 1.0
    assert row(registry)["avg_execution_time_ms"] == pytest.approx((100 * 1_000 + RECENT_CALLS) / (100 + RECENT_CALLS))


def test_a_percentile_of_nothing_is_none() -> None:
    assert percentile([], 0.5) is None
    assert percentile([3.0], 0.99) == 3.0


def test_an_unknown_name_makes_no_row_and_is_counted(registry: PluginRegistry) -> None:
    registry.started("wasp")
    registry.update_execution_metrics("wasp", Outcome.REFUSED, 1.0, True)
    assert registry.list_plugins() == ["ant"]
    assert registry.get_status("wasp") is None
    assert registry.unknown_count == 1
    with pytest.raises(PluginNotFound):
        registry.get_plugin("wasp")
    with pytest.raises(KeyError):
        registry.get_record("wasp")
    with pytest.raises(PluginNotFound):
        registry.set_availability("wasp", Availability.OK, None)
    with pytest.raises(PluginNotFound):
        registry.unregister("wasp")
    with pytest.raises(PluginNotFound):
        registry.get_plugin([])  # type: ignore[arg-type]


def test_a_duplicate_raises_and_changes_nothing(registry: PluginRegistry) -> None:
    first = registry.get_plugin("ant")
    with pytest.raises(ValueError, match="registered already"):
        registry.register("ant", Embedded())
    assert registry.get_plugin("ant") is first


def test_a_replaced_plugin_keeps_its_figures(registry: PluginRegistry) -> None:
    record(registry, Outcome.SUCCESS)
    second = Embedded()
    registry.register("ant", second, replace=True)
    assert registry.get_plugin("ant") is second
    assert row(registry)["success_count"] == 1


def test_a_plugin_that_is_registered_anew_starts_with_no_figures(registry: PluginRegistry) -> None:
    record(registry, Outcome.SUCCESS)
    registry.unregister("ant")
    registry.register("ant", Embedded())
    assert row(registry)["success_count"] == 0


def test_a_plugin_that_could_not_be_loaded_is_a_row_with_its_reason(registry: PluginRegistry) -> None:
    record_ = PluginRecord(Manifest("wasp"), "path", "wasp.py")
    registry.register_unusable(record_, Availability.UNAVAILABLE, "no wings")
    assert (row(registry, "wasp")["state"], row(registry, "wasp")["reason"]) == ("UNAVAILABLE", "no wings")
    with pytest.raises(PluginRefused, match="no wings"):
        registry.get_plugin("wasp")


def test_what_is_no_plugin_is_not_registered() -> None:
    registry = PluginRegistry()
    with pytest.raises(TypeError, match="no run method"):
        registry.register("ant", object())
    with pytest.raises(ManifestError):
        registry.register("Big Ant", Embedded())
    assert registry.list_plugins() == []


def test_rows_are_in_the_order_of_their_names() -> None:
    registry = PluginRegistry()
    for name in ("wasp", "ant", "mole"):
        registry.register(name, Embedded())
    assert registry.list_plugins() == ["ant", "mole", "wasp"]
    assert [status["name"] for status in registry.all_status()] == ["ant", "mole", "wasp"]


def test_the_process_has_one_registry() -> None:
    assert get_registry() is get_registry()


@pytest.mark.usefixtures("many_switches")
def test_no_update_of_many_threads_is_lost(registry: PluginRegistry) -> None:
    def work() -> None:
        for number in range(500):
            record(registry, (Outcome.SUCCESS, Outcome.ERROR, Outcome.CANCELLED)[number % 3], 2.0)

    in_threads(*[work] * 8)
    status = row(registry)
    assert (status["success_count"], status["error_count"], status["cancelled_count"]) == (8 * 167, 8 * 167, 8 * 166)
    assert status["in_flight"] == 0
    assert status["avg_execution_time_ms"] == 2.0


@pytest.mark.usefixtures("many_switches")
def test_no_unknown_call_of_many_threads_is_lost(registry: PluginRegistry) -> None:
    def work() -> None:
        for _ in range(500):
            registry.update_execution_metrics("wasp", Outcome.REFUSED, 1.0, True)

    in_threads(*[work] * 4)
    assert registry.unknown_count == 2_000


@pytest.mark.usefixtures("many_switches")
def test_readers_never_see_half_an_update(registry: PluginRegistry) -> None:
    # Every call takes exactly 3 ms, so a sum without its count, or a count without its sum, shows in the mean.
    ended = threading.Event()
    faults: list[dict[str, Any]] = []

    def write() -> None:
        for _ in range(1_000):
            record(registry, Outcome.SUCCESS, 3.0)

    def read() -> None:
        while not ended.is_set():
            for status in (row(registry), *registry.all_status()):
                calls = status["success_count"]
                sound = status["avg_execution_time_ms"] in ((3.0,) if calls else (None,))
                sound &= status["in_flight"] in range(5) and status["last_execution_time_ms"] in (None, 3.0)
                if not sound:
                    faults.append(status)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    in_threads(*[write] * 4)
    ended.set()
    for reader in readers:
        reader.join()
    assert faults == []


@pytest.mark.usefixtures("many_switches")
def test_of_many_threads_that_register_one_name_one_wins(registry: PluginRegistry) -> None:
    won: list[int] = []

    def work(number: int) -> Callable[[], None]:
        def register() -> None:
            for attempt in range(50):
                try:
                    registry.register(f"mole-{attempt}", Embedded())
                except ValueError:
                    continue
                won.append(attempt)

        return register

    in_threads(*[work(number) for number in range(4)])
    assert sorted(won) == list(range(50))
