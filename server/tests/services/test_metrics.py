"""Figures for Prometheus."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.governance.error_envelope import build_error_envelope
from app.governance.errors import CallEnded, PluginNotFound
from app.governance.lifecycle import Outcome
from app.observability.metrics import Metrics, counter, gauge

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda name: name in ("ocr", "faces"))


def samples(metrics: Metrics) -> Samples:
    families = text_string_to_metric_families(metrics.render().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, frozenset(labels.items())]


def test_executions_are_counted_by_plugin_and_outcome(metrics: Metrics) -> None:
    late = build_error_envelope(CallEnded("plugin_timeout"), "ocr")
    for _ in range(3):
        metrics.executed("ocr", Outcome.SUCCESS, 12.5, {}, None)
    metrics.executed("ocr", Outcome.ERROR, 2_000.0, late, None)
    assert value(metrics, "sightgate_executions_total", plugin="ocr", outcome="success") == 3
    assert value(metrics, "sightgate_executions_total", plugin="ocr", outcome="plugin_timeout") == 1
    assert value(metrics, "sightgate_execution_duration_seconds_count", plugin="ocr") == 4
    assert value(metrics, "sightgate_execution_duration_seconds_sum", plugin="ocr") == pytest.approx(2.0375)
    assert value(metrics, "sightgate_execution_duration_seconds_bucket", plugin="ocr", le="0.025") == 3


def test_unknown_names_share_one_label_however_many_there_are(metrics: Metrics) -> None:
    for number in range(50):
        unknown = build_error_envelope(PluginNotFound(f"made-up-{number}"), f"made-up-{number}")
        metrics.executed(f"made-up-{number}", Outcome.REFUSED, 1.0, unknown, None)
        metrics.refused(f"made-up-{number}", "plugin_not_found")
    assert value(metrics, "sightgate_executions_total", plugin="unknown", outcome="plugin_not_found") == 50
    assert value(metrics, "sightgate_refusals_total", plugin="unknown", code="plugin_not_found") == 50
    assert "made-up" not in metrics.render().decode()


def test_refusals_are_no_executions(metrics: Metrics) -> None:
    metrics.refused("ocr", "overloaded")
    assert value(metrics, "sightgate_refusals_total", plugin="ocr", code="overloaded") == 1
    assert not any(name.startswith("sightgate_executions_total") for name, _ in samples(metrics))


def test_gauges_are_read_at_each_scrape(metrics: Metrics) -> None:
    workers = {"ocr": 1.0}
    metrics.add_gauges(
        lambda: [gauge("sightgate_workers", "Workers.", workers), counter("sightgate_starts", "Starts.", {"ocr": 7.0})]
    )
    assert value(metrics, "sightgate_workers", plugin="ocr") == 1
    workers["ocr"] = 2.0
    assert value(metrics, "sightgate_workers", plugin="ocr") == 2
    assert value(metrics, "sightgate_starts_total", plugin="ocr") == 7


def test_two_servers_of_one_process_count_apart() -> None:
    first, second = (Metrics(lambda name: True) for _ in range(2))
    first.executed("ocr", Outcome.SUCCESS, 1.0, {}, None)
    assert value(first, "sightgate_executions_total", plugin="ocr", outcome="success") == 1
    assert samples(second) == {}
