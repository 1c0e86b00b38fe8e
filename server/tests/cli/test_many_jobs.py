"""`sightgate jobs …` for many: batches, and jobs that filters choose, with and without a running server."""

import json
import sys
from pathlib import Path

SAYS_YES = ("sh", "-c", 'echo y | "$0" "$@"', Path(sys.executable).with_name("sightgate"))


def batch_of(cli, *arguments: str):
    ended = cli.run("jobs", "submit", *arguments, "--batch", "--json")
    assert ended.code == 0, ended.err
    return json.loads(ended.out)


def repeated(cli, *arguments: str) -> list[tuple[str, str, bool]]:
    ended = cli.run("jobs", "requeue", *arguments, "--json")
    assert ended.code == 0, ended.err
    jobs = [json.loads(line) for line in ended.out.splitlines()]
    return [(job["id"], job["copy_of"], job["replayed"]) for job in jobs]


def test_what_has_ended_of_those_that_filters_choose_is_repeated_once(either):
    batch = batch_of(either, "a.png", "b.png", "-p", "sizes", "-p", "failing", "--delay", "3600")
    assert (batch["total"], len(batch["jobs"])) == (4, 4)
    old = batch["jobs"][:2]
    either.run("jobs", "cancel", *old)
    first = repeated(either, "--batch", batch["id"], "--yes")
    assert [(of, before) for _, of, before in first] == [(old[0], False), (old[1], False)]
    assert either.run("jobs", "cancel", "--batch", batch["id"]).out == f"{batch['id']} 4 of 4 ended: 4 CANCELLED\n"
    again = repeated(either, "--batch", batch["id"], "--yes")
    assert again[:2] == [(copy, of, True) for copy, of, _ in first]
    assert [(of, before) for _, of, before in again[2:]] == [(of, False) for of in batch["jobs"][2:]]
    ((third, of, before),) = repeated(either, old[0])
    assert (of, before) == (old[0], False)
    assert third not in [copy for copy, _, _ in first]


def test_jobs_of_all_pages_are_repeated_after_a_question(cli):
    batch = batch_of(cli, *["a.png"] * 501, "-p", "sizes", "--delay", "3600")
    cli.run("jobs", "cancel", "--batch", batch["id"])
    unanswered = cli.run("jobs", "requeue", "--batch", batch["id"])
    assert (unanswered.code, unanswered.out) == (1, "")
    question, said = unanswered.err.splitlines()
    assert question.strip() == "Repeat 501 ended jobs, each once? [y/N]:"
    assert said == "sightgate: nothing repeated"
    one = cli.start("jobs", "requeue", "--search", batch["jobs"][500], program=SAYS_YES)
    out, err = one.communicate(timeout=60)
    assert (one.returncode, err.strip()) == (0, "Repeat 1 ended job, each once? [y/N]:")
    assert json.loads(cli.run("jobs", "show", out.removesuffix("\n"), "--json").out)["copy_of"] == batch["jobs"][500]


def test_a_batch_is_followed_to_its_end(served):
    good = batch_of(served, "a.png", "b.png", "-p", "sizes", "-o", "k=1")["id"]
    followed = served.run("jobs", "events", "--batch", good, "--json")
    assert followed.code == 0, followed.err
    assert json.loads(followed.out.splitlines()[-1])["event"] == "end"
    (job, _) = json.loads(served.run("jobs", "list", "--batch", good, "--json").out)["jobs"]
    assert job["options"] == {"k": 1}
    mixed = served.run("jobs", "submit", "a.png", "-p", "sizes", "-p", "failing").out.strip()  # its id alone
    followed = served.run("jobs", "events", "--batch", mixed)
    assert followed.code == 1
    assert followed.out.splitlines()[-1] == "2 of 2 ended: 1 SUCCESS, 1 FAILED"
    assert "2 of 2 ended" in served.run("jobs", "show", "--batch", mixed).out


def test_a_batch_is_not_followed_where_no_server_runs(cli):
    batch = batch_of(cli, "a.png", "b.png", "-p", "sizes")["id"]
    ended = cli.run("jobs", "events", "--batch", batch)
    assert (ended.code, "no server runs" in ended.line) == (2, True)
    cli.run("jobs", "cancel", "--batch", batch)
    ended = cli.run("jobs", "events", "--batch", batch)
    assert (ended.code, ended.out) == (1, "2 of 2 ended: 2 CANCELLED\n")


def test_a_batch_of_more_bytes_than_a_request_may_have_is_refused(cli):
    cli.variables["SIGHTGATE_MAX_BODY_BYTES"] = "1024"
    ended = cli.run("jobs", "submit", *["a.png"] * 40, "-p", "sizes", "--batch")
    assert (ended.code, "SIGHTGATE_MAX_BODY_BYTES" in ended.line) == (2, True)


def test_a_batch_that_is_not_there_is_one_line(either):
    (either.folder / "data").mkdir(exist_ok=True)
    for command in ("cancel", "events"):
        ended = either.run("jobs", command, "--batch", "nobody")
        assert (ended.code, ended.line) == (1, "sightgate: there is no batch 'nobody'")
