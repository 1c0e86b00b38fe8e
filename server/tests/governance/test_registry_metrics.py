"""The registry's figures, as HTTP and Prometheus show them, are what really happened."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from statistics import fmean

import pytest
from prometheus_client.parser import text_string_to_metric_families
from support.errors import assert_error
from support.images import PNG, colored
from support.running_server import RunningServer, eventually, make_home, new_sign, running

from app.plugins.loader.plugin_registry import PluginRegistry, percentile
from app.plugins.runtime.tool_runner import ToolRunner


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that nobody else calls."""
    home = make_home(
        tmp_path_factory.mktemp("counted"), "answering", "slow", "ending", "raising", breaker_ends=1000, max_waiting=0
    )
    with running(home) as started:
        yield started


def figures(server: RunningServer, plugin: str) -> dict[str, float]:
    """Return what Prometheus reads of one plugin: ``name`` or ``name/label`` to value."""
    found = {}
    for family in text_string_to_metric_families(server.http.get("/metrics").text):
        for sample in family.samples:
            if sample.labels.get("plugin") == plugin and not sample.name.endswith("_created"):
                labels = [value for name, value in sorted(sample.labels.items()) if name not in ("plugin", "le")]
                found["/".join([sample.name, *labels])] = sample.value
    return found


def test_every_end_of_an_execution_is_counted_once(counted: RunningServer):
    fresh = counted.row("ending")
    assert (fresh["success_count"], fresh["error_count"], fresh["state"]) == (0, 0, "IDLE")
    assert fresh["last_used"] is fresh["avg_execution_time_ms"] is fresh["last_execution_time_ms"] is None
    ends = {
        "success": lambda: counted.analyze("ending"),
        "empty_image": lambda: counted.analyze("ending", image=b"", mime_type="image/png"),
        "mime_mismatch": lambda: counted.analyze("ending", mime_type="image/gif"),
        "plugin_crashed": lambda: counted.analyze("ending", {"how": "segfault"}),
        "plugin_timeout": lambda: counted.analyze("ending", {"how": "hang"}, colored(1)),
    }
    for end in ends.values():
        end()
    row, read = counted.row("ending"), figures(counted, "ending")
    assert (row["success_count"], row["error_count"], row["cancelled_count"], row["in_flight"]) == (1, 4, 0, 0)
    assert {code: read[f"sightgate_executions_total/{code}"] for code in ends} == dict.fromkeys(ends, 1.0)
    assert read["sightgate_execution_duration_seconds_count"] == 5
    assert read["sightgate_worker_ends_total"] == 2
    assert read["sightgate_in_flight"] == 0


def test_the_mean_is_the_true_mean(counted: RunningServer):
    for seconds in (0.0, 0.05, 0.0, 0.1, 0.0):
        counted.result("slow", {"seconds": seconds})
    counted.analyze("slow", image=b"", mime_type="image/png")
    row = counted.row("slow")
    times = [job["running_ms"] for job in counted.jobs(plugin="slow")]
    assert len(times) == row["success_count"] + row["error_count"] == 6
    assert row["avg_execution_time_ms"] == pytest.approx(fmean(times))
    assert row["last_execution_time_ms"] == times[0]
    assert row["p50_execution_time_ms"] == percentile(sorted(times), 0.5) == sorted(times)[2]
    assert row["p95_execution_time_ms"] == row["p99_execution_time_ms"] == max(times)
    total = figures(counted, "slow")["sightgate_execution_duration_seconds_sum"]
    assert total == pytest.approx(sum(times) / 1000)


def test_last_used_is_the_time_of_the_last_call_in_utc(counted: RunningServer):
    before = datetime.now(UTC)
    counted.analyze("echo")
    last_used = datetime.fromisoformat(counted.row("echo")["last_used"])
    assert before <= last_used <= datetime.now(UTC)


def test_a_state_is_the_first_that_holds(counted: RunningServer):
    assert counted.row("queue")["state"] == "IDLE"
    counted.analyze("queue")
    assert counted.row("queue")["state"] == "SUCCESS"
    sign = new_sign()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(counted.analyze, "queue", {"until": sign})
        row = eventually(lambda: (row := counted.row("queue"))["in_flight"] and row, "call in flight")
        assert (row["state"], figures(counted, "queue")["sightgate_in_flight"]) == ("RUNNING", 1)
        assert counted.http.post("/v1/plugins/queue/disable").json()["state"] == "UNAVAILABLE"
        counted.give(sign)
        assert call.result().status_code == 200
    assert counted.row("queue")["state"] == "UNAVAILABLE"
    assert counted.http.post("/v1/plugins/queue/enable").json()["state"] == "SUCCESS"
    counted.analyze("raising", {"what": "plain"})
    assert counted.row("raising")["state"] == "ERROR"


def test_a_bad_input_leaves_a_healthy_plugin_healthy(counted: RunningServer):
    counted.analyze("echo")
    errors = counted.row("echo")["error_count"]
    for _ in range(10):
        assert_error(counted.analyze("echo", image=b"no image", mime_type="image/png"), 400, "undecodable_image")
    row = counted.row("echo")
    assert (row["state"], row["error_count"]) == ("SUCCESS", errors + 10)
    assert counted.analyze("echo").status_code == 200


def test_a_refusal_is_no_execution_but_counted_apart(counted: RunningServer):
    sign = new_sign()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(counted.analyze, "queue", {"until": sign})
        eventually(lambda: counted.row("queue")["in_flight"], "call in flight")
        before, errors = figures(counted, "queue"), counted.row("queue")["error_count"]
        assert_error(counted.analyze("queue"), 429, "overloaded")
        counted.give(sign)
        assert call.result().status_code == 200
    after = figures(counted, "queue")
    assert counted.row("queue")["error_count"] == errors
    refused = "sightgate_refusals_total/overloaded"
    assert after[refused] == before.get(refused, 0) + 1
    assert "sightgate_executions_total/overloaded" not in after


def test_an_unknown_name_makes_no_row_in_the_registry(counted: RunningServer):
    rows = {row["name"] for row in counted.http.get("/v1/plugins").json()["plugins"]}
    for name in ("nobody", "x" * 10_000, "nobody-else"):
        assert_error(counted.analyze(name), 404, "plugin_not_found")
    assert {row["name"] for row in counted.http.get("/v1/plugins").json()["plugins"]} == rows
    text = counted.http.get("/metrics").text
    assert "nobody" not in text
    assert figures(counted, "unknown")["sightgate_refusals_total/plugin_not_found"] >= 3

    registry = PluginRegistry()
    ToolRunner(registry).run("nobody", {"image": PNG, "mime_type": "image/png", "options": {}})
    assert (registry.list_plugins(), registry.unknown_count) == ([], 1)


def test_workers_and_their_starts_are_counted(counted: RunningServer):
    counted.analyze("second")
    read = figures(counted, "second")
    assert read["sightgate_workers"] == read["sightgate_worker_starts_total"] == 1
    assert figures(counted, "resting").get("sightgate_workers") == 0
    assert read["sightgate_plugin_usable"] == 1


class Quick:
    name = "quick"

    def run(self, payload: dict[str, object]) -> dict[str, object]:
        if payload["options"]:
            raise ValueError("asked to")
        return {"ok": True}


def test_no_update_is_lost_under_threads():
    registry = PluginRegistry()
    registry.register("quick", Quick())
    gate, threads, each = ToolRunner(registry), 8, 250
    seen: list[int] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            status = registry.get_status("quick")
            assert status is not None
            seen.append(status["success_count"] + status["error_count"])

    def call() -> None:
        for number in range(each):
            gate.run(
                "quick", {"image": PNG, "mime_type": "image/png", "options": {"fail": 1} if number % 5 == 0 else {}}
            )

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(call) for _ in range(threads)]:
            done.result()
    ended.set()
    reader.join()
    status = registry.get_status("quick")
    assert status is not None
    assert (status["error_count"], status["success_count"]) == (threads * each // 5, threads * each * 4 // 5)
    assert status["in_flight"] == 0
    assert seen == sorted(seen)
