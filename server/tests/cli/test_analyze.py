"""`sightgate analyze`, with and without a running server."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from app.cli.commands.analyze import parse_options


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_one_json_object_a_line_comes_in_order_and_one_bad_image_stops_no_other(either):
    ended = either.run("analyze", "b.png", "bad.png", "a.png", "--plugin", "sizes", "--json", "-o", "k=[1, 2.5]")
    assert ended.code == 1
    first, second, third = json_lines(ended.out)
    assert [row["image"] for row in (first, second, third)] == ["b.png", "bad.png", "a.png"]
    assert first["result"] == {"bytes": (either.folder / "b.png").stat().st_size, "options": {"k": [1, 2.5]}}
    assert second["error"]["details"]["code"] == "plugin_failed"
    assert third["result"]["bytes"] == (either.folder / "a.png").stat().st_size


def test_people_see_the_result_and_the_error(either):
    ended = either.run("analyze", "a.png", "bad.png", "--plugin", "sizes")
    assert ended.code == 1
    assert "a.png  sizes," in ended.out
    assert f"bytes    {(either.folder / 'a.png').stat().st_size}" in ended.out
    assert "bad.png  sizes failed" in ended.out
    assert "plugin_failed: as it asks" in ended.out


def test_an_image_that_is_refused_is_told_once_and_not_logged(cli):
    (cli.folder / "text.png").write_text("text")
    ended = cli.run("analyze", "text.png", "--plugin", "sizes")
    assert (ended.code, ended.err) == (1, "")
    assert "text.png  sizes failed" in ended.out


def test_what_a_plugin_says_cannot_steer_the_terminal(served):
    ended = served.run("analyze", "a.png", "--plugin", "failing")
    assert ended.code == 1
    assert "plugin_failed: no \N{REPLACEMENT CHARACTER}[31mgood" in ended.out
    assert "\x1b" not in ended.out


def test_an_unknown_plugin_is_an_error_of_the_table(either):
    ended = either.run("analyze", "a.png", "--plugin", "nobody", "--json")
    assert ended.code == 1
    assert json_lines(ended.out)[0]["error"]["details"]["code"] == "plugin_not_found"


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("1.5", 1.5),
        ("true", True),
        ('{"a": null}', {"a": None}),
        ('"7"', "7"),
        ("plain = text", "plain = text"),
        ("NaN", "NaN"),
        ("", ""),
        ("[" * 100_000, "[" * 100_000),
    ],
)
def test_an_option_is_json_where_it_can_be_and_text_otherwise(given, value):
    assert parse_options([f"key={given}"]) == {"key": value}


def test_an_image_above_the_limit_is_refused(cli):
    cli.variables["SIGHTGATE_MAX_BODY_BYTES"] = "1024"
    (cli.folder / "large.png").write_bytes((cli.folder / "a.png").read_bytes() + bytes(2000))
    in_process = cli.run("analyze", "large.png", "--plugin", "sizes", "--json")
    with cli.serving():
        over_http = cli.run("analyze", "large.png", "--plugin", "sizes", "--json")
    for ended in (in_process, over_http):
        assert ended.code == 1
        assert json_lines(ended.out)[0]["error"]["details"]["code"] == "body_too_large"


def test_a_running_server_does_the_work(served):
    served.run("analyze", "a.png", "--plugin", "sizes")
    row = json.loads(served.run("plugins", "show", "sizes", "--json").out)
    assert row["success_count"] >= 1


def test_what_ran_in_process_is_a_job_like_any_other(cli):
    cli.run("analyze", "a.png", "--plugin", "sizes")
    jobs = json.loads(cli.run("jobs", "list", "--json").out)["jobs"]
    assert [(job["plugin"], job["status"]) for job in jobs] == [("sizes", "SUCCESS")]


def test_ctrl_c_ends_a_running_analysis_quietly(either):
    process = either.start("analyze", "a.png", "--plugin", "slow")
    wait_for(either.folder / "data" / "scratch", "begun")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err


def test_a_reader_that_goes_away_gets_no_traceback(served):
    process = served.start("analyze", *["a.png"] * 20, "--plugin", "sizes", "--json")
    process.stdout.close()
    assert process.wait(timeout=60) == 1
    assert process.stderr.read() == ""
    process.stderr.close()


def test_a_file_name_that_is_not_utf8_is_still_json(served):
    name = b"odd-\xff.png".decode(errors="surrogateescape")
    (served.folder / name).write_bytes((served.folder / "a.png").read_bytes())
    ended = served.run("analyze", name, "--plugin", "sizes", "--json")
    assert ended.code == 0, ended.err
    assert json_lines(ended.out)[0]["image"] == name


def wait_for(folder: Path, name: str) -> None:
    """Wait for a file that the plugin makes in its scratch folder, while those of other workers come and go."""
    for _ in range(3000):
        if any(name in files for _, _, files in os.walk(folder)):
            return
        time.sleep(0.02)
    raise AssertionError(f"{name} never came")
