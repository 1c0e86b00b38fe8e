"""What people see of a result."""

import io

import pytest
from rich.console import Console

from app.cli import render
from app.cli.backend import Analysis, Jobs
from app.cli.text import clean, milliseconds, number, short


def shown(renderable, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, markup=False, highlight=False).print(renderable)
    return out.getvalue()


def test_regions_become_a_table_with_their_place():
    corners = [{"x": 10, "y": 20}, {"x": 90, "y": 20}, {"x": 90, "y": 40}, {"x": 10, "y": 40}]
    region = {"type": "text", "text": "Hello", "polygon": corners, "score": 0.98765}
    text = shown(render.tree({"regions": [region, {**region, "text": "World"}]}))
    assert "regions (2)" in text
    assert "Hello  (10, 20) to (90, 40)  0.988" in text
    assert "type" not in text


def test_parts_of_several_types_keep_their_type():
    text = shown(render.tree({"parts": [{"type": "box", "x": 1}, {"type": "label", "label": "cat"}]}))
    assert "box" in text
    assert "label" in text


def test_a_long_list_is_cut_and_says_so():
    text = shown(render.tree({"rows": [{"n": n} for n in range(100)]}))
    assert "rows (100)" in text
    assert "and 60 more; --json shows all" in text


def test_depth_is_bounded():
    value: dict = {"leaf": 1}
    for _ in range(60):
        value = {"inner": value}
    assert shown(render.tree(value)).count("\n") < 20


def test_markup_in_a_result_is_text():
    assert "[bold red]x[/]" in shown(render.tree({"text": "[bold red]x[/]"}))


def test_an_error_shows_its_code_and_job():
    error = {"type": "PluginError", "message": "too slow", "details": {"code": "plugin_timeout", "job_id": "j1"}}
    text = shown(render.analysis("a.png", "ocr", Analysis(error=error)))
    assert "a.png  ocr failed" in text
    assert "plugin_timeout: too slow" in text
    assert "job j1" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        ("", '""'),
        ([], "none"),
        ({}, "none"),
        (3, "3"),
        (0.1 + 0.2, "0.3"),
        (1e-9, "1e-09"),
        ([1, 2.5], "1, 2.5"),
        (list(range(100)), "100 numbers, 0 to 99"),
        ({"a": [1]}, '{"a": [1]}'),
        ("x" * 300, "x" * 199 + "…"),
    ],
)
def test_values_are_short(value, text):
    assert short(value) == text


def test_terminal_control_sequences_are_replaced():
    assert clean("\x1b]0;title\x07 ok\x9b\ud800") == "\N{REPLACEMENT CHARACTER}]0;title\N{REPLACEMENT CHARACTER} ok" + (
        "\N{REPLACEMENT CHARACTER}" * 2
    )


def test_times_have_a_fitting_unit():
    assert (milliseconds(None), milliseconds(1.23), milliseconds(2345)) == ("-", "1.2 ms", "2.35 s")
    assert [milliseconds(seconds * 1000) for seconds in (60, 185, 7_800, 86_400 * 4 + 10_000)] == [
        "1 min",
        "3 min 5 s",
        "2 h 10 min",
        "4 d 2 h",
    ]
    assert number(2.0) == "2"


def test_the_ids_of_jobs_are_whole_in_the_narrowest_listing():
    job = {
        "id": "01a2152778f67342ad888a1026e922a9",
        "plugin": "fingerprint",
        "status": "CANCELLED",
        "created_at": "2026-01-31T12:00:00+00:00",
        "running_ms": 12_345,
        "error_code": "plugin_out_of_memory",
    }
    text = shown(render.job_table(Jobs([job], None)), render.LEAST_WIDTH_OF_JOBS)
    assert f"{job['id']}  " in text
    assert "CANCELLED" in text
    assert "12.35 s" in text
