"""Every animal, shown to one real server; and the runner's own judgement, which must be able to say no."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.zoo.adapters import ADAPTERS
from app.zoo.catalog import CONTROL, OK, Animal, animals, write_animals
from app.zoo.judgement import NO_ANSWER, Call, Observation, judge
from app.zoo.runner import Keeper, kept, run_against, run_zoo
from app.zoo.servers import Server, running

SIGHTGATE = ADAPTERS["sightgate"]
ZOO = animals()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that holds all animals and nothing else."""
    with running(SIGHTGATE, ZOO, sys.executable) as started:
        yield started


@pytest.fixture(scope="module")
def keeper(server: Server) -> Iterator[Keeper]:
    with kept(SIGHTGATE, server) as shown:
        yield shown


@pytest.mark.parametrize("name", ZOO)
def test_an_animal_is_answered_as_expected_and_leaves_nothing(keeper: Keeper, name: str) -> None:
    assert list(keeper.show(ZOO[name]).faults) == []


def test_there_are_more_than_forty_animals() -> None:
    assert len(ZOO) >= 40


def test_a_wrong_expectation_fails(keeper: Keeper) -> None:
    wrong = replace(ZOO["exits"], calls=((OK,),), details={"exit_code": 4}, worker="kept")
    assert list(keeper.show(wrong).faults) == [
        "call 1 ended with plugin_crashed, not ok (the plugin's worker ended with exit code 3)",
        "details.exit_code is 3, not 4",
        "its worker was ended, not kept",
    ]


def test_an_animal_that_reaches_something_fails(tmp_path: Path) -> None:
    seen = Observation([Call(OK, 200, result={"reached": ["passwords"], "tried": 2})], serves=True)
    assert judge(ZOO["reads_files_of_others"], seen, tells_codes=True) == ["it reached passwords"]


def test_a_snoop_that_does_not_say_what_it_reached_fails() -> None:
    seen = Observation([Call(OK, 200, result={"fine": True})], serves=True)
    assert judge(ZOO["opens_sockets"], seen, tells_codes=True) == ["it does not say what it reached"]


def test_a_server_that_hangs_or_is_gone_or_leaves_something_fails() -> None:
    hung = Observation([Call(NO_ANSWER)], serves=False, left=["process 7"], worker="kept")
    assert judge(ZOO["sleeps"], hung, tells_codes=True) == [
        "call 1 ended with no answer, not plugin_timeout",
        "the server does not serve any more",
        "its worker was kept, not ended",
        "left behind: process 7",
    ]


def test_a_foreign_server_is_asked_for_some_error_and_not_for_our_codes() -> None:
    failed, fine = Observation([Call("http-500", 500)], serves=True), Observation([Call(OK, 200)], serves=True)
    assert judge(ZOO["returns_none"], failed, tells_codes=False) == []
    assert judge(ZOO["returns_none"], fine, tells_codes=False) == ["call 1 ended with ok, not an error"]
    assert judge(ZOO["well_behaved"], failed, tells_codes=False) == ["call 1 ended with http-500, not ok"]


def test_calls_that_were_never_made_are_missed() -> None:
    seen = Observation([Call(OK, 200)], serves=True)
    assert judge(ZOO["mutates_its_payload"], seen, tells_codes=True) == ["only 1 of 2 calls were made"]


def test_the_server_ends_in_order_although_a_plugin_does_not() -> None:
    rows = list(run_zoo([ZOO["loops_at_close"]], SIGHTGATE))
    assert [(row.animal.name, list(row.faults)) for row in rows] == [("loops_at_close", []), ("the_end", [])]


def test_a_server_that_runs_already_is_judged_by_its_answers(server: Server) -> None:
    [row] = run_against([ZOO["returns_nan"]], SIGHTGATE, server.url)
    assert row.passed
    assert row.seen.left is None


def test_a_plain_fastapi_application_answers_nan_with_an_error_and_serves_on() -> None:
    [row] = run_zoo([ZOO["returns_nan"]], ADAPTERS["fastapi"])
    assert list(row.faults) == []


def test_a_plain_fastapi_application_is_taken_along_by_a_crash() -> None:
    [row] = run_zoo([ZOO["segfault"]], ADAPTERS["fastapi"])
    assert "the server does not serve any more" in row.faults


def test_the_leftovers_of_an_animal_are_seen_and_removed() -> None:
    [row] = run_zoo([ZOO["leaves_shared_memory"]], ADAPTERS["fastapi"])
    [left] = row.seen.left or ()
    assert left.startswith("shared memory ")
    assert left.split()[-1] not in {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()}


def _command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    start = "import sys; from app.cli import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", start, "zoo", *arguments], capture_output=True, text=True, timeout=240)


def test_the_command_tells_its_rows_as_json_and_exits_with_0() -> None:
    ended = _command("--json", "--only", "returns_nan", "--only", "segfault")
    told = json.loads(ended.stdout)
    assert (ended.returncode, told["passed"], told["failed"]) == (0, 3, 0)
    assert [row["animal"] for row in told["animals"]] == ["segfault", "returns_nan", "the_end"]
    assert told["animals"][0]["calls"][0]["outcome"] == "plugin_crashed"


def test_the_command_exits_with_1_if_an_animal_is_not_as_expected() -> None:
    ended = _command("--adapter", "fastapi", "--only", "signals_its_parent")
    assert ended.returncode == 1
    assert "signals_its_parent: it reached kill" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "unicorn"), "there is no animal 'unicorn'"),
        (("--adapter", "abacus"), "there is no adapter 'abacus'"),
        (("--adapter", "litserve", "--python", "/nonexistent/python"), "cannot be run"),
        (("--against", "http://127.0.0.1:9"), "no server answers"),
    ],
)
def test_the_command_says_what_is_wrong_and_exits_with_2(arguments: tuple[str, ...], said: str) -> None:
    ended = _command(*arguments)
    assert ended.returncode == 2
    assert said in ended.stderr


def test_the_animals_are_written_as_files_that_a_server_loads(tmp_path: Path) -> None:
    write_animals(tmp_path, ZOO)
    written = {file.stem for file in tmp_path.iterdir() if not file.name.startswith("_")}
    assert written == set(ZOO)
    assert {file.suffix for file in tmp_path.iterdir()} == {".py"}


def test_every_animal_says_what_it_does() -> None:
    nameless = [animal.name for animal in ZOO.values() if not animal.does]
    assert nameless == []
    assert isinstance(ZOO[CONTROL], Animal)
