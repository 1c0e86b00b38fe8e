"""`sightgate jobs …`: submit, follow, cancel, requeue, export and purge, with and without a running server."""

import json
import time

import pytest


def submitted(cli, *arguments: str) -> list[str]:
    ended = cli.run("jobs", "submit", *arguments, "--json")
    assert ended.code == 0, ended.err
    return [json.loads(line)["id"] for line in ended.out.splitlines()]


def job_of(cli, job_id: str):
    return json.loads(cli.run("jobs", "show", job_id, "--json").out)


def test_jobs_are_submitted_on_terms(either):
    first, second = submitted(
        either, "a.png", "b.png", "-p", "sizes", "-o", "k=1", "--delay", "3600", "--priority", "7"
    )
    (third,) = submitted(either, "a.png", "-p", "sizes", "--after", first, "--after-rule", "end", "--attempts", "4")
    job = job_of(either, second)
    assert (job["status"], job["plugin"], job["priority"], job["options"]) == ("PENDING", "sizes", 7, {"k": 1})
    job = job_of(either, third)
    assert (job["needs"], job["after_rule"], job["retry"]["max_attempts"]) == ([first], "end", 4)
    shown = either.run("jobs", "show", third).out
    assert "waits for" in shown
    assert first in shown


def test_ids_alone_are_printed_where_no_reader_is(either):
    ended = either.run("jobs", "submit", "a.png", "b.png", "-p", "sizes", "--delay", "3600")
    ids = ended.out.splitlines()
    assert [job_of(either, job_id)["id"] for job_id in ids] == ids
    assert len(ids) == 2
    either.run("jobs", "cancel", *ids)
    copies = either.run("jobs", "requeue", *ids).out.splitlines()
    assert [job_of(either, job_id)["copy_of"] for job_id in copies] == ids


def test_a_page_of_a_job_says_when_it_started_and_no_more_than_holds(served):
    (waits,) = submitted(served, "a.png", "-p", "sizes", "--delay", "3600")
    assert "not before" in served.run("jobs", "show", waits).out
    (job_id,) = submitted(served, "a.png", "-p", "sizes", "--delay", "1")
    events = served.run("jobs", "events", job_id).out.splitlines()
    assert len({line.index(" 20") for line in events}) == 1
    lines = served.run("jobs", "show", job_id).out.splitlines()
    assert {"started", "ended"} <= {line.split()[0] for line in lines if line}
    assert not any(line.startswith("not before") for line in lines)
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_page_of_a_job_says_why_its_plugin_does_not_start_it(cli):
    (job_id,) = submitted(cli, "a.png", "-p", "sizes")
    assert "waits because" not in cli.run("jobs", "show", job_id).out  # no server runs: nothing is known of plugins
    (cli.folder / "data" / "plugins.toml").write_text("[sizes]\nenabled = false\n")
    with cli.serving():
        page = cli.run("jobs", "show", job_id).out
    assert "disabled" in next(line for line in page.splitlines() if line.startswith("waits because"))


def test_a_job_waits_from_its_acceptance_and_not_only_for_a_worker(served):
    (job_id,) = submitted(served, "a.png", "-p", "sizes", "--delay", "1.5")
    assert served.run("jobs", "events", job_id).code == 0
    job = job_of(served, job_id)
    assert job["waiting_ms"] < 1_500
    lines = [line.split() for line in served.run("jobs", "show", job_id).out.splitlines()]
    ((waited, unit),) = [words[1:] for words in lines if words[:1] == ["waited"]]
    assert (float(waited) >= 1.5, unit) == (True, "s")


def test_a_webhook_is_kept_if_the_operator_has_set_them_up(cli):
    asked = "a.png", "-p", "sizes", "--webhook", "http://127.0.0.1/ended"
    refused = cli.run("jobs", "submit", *asked)
    assert (refused.code, "SIGHTGATE_WEBHOOK_SECRET" in refused.line) == (1, True)
    cli.variables["SIGHTGATE_WEBHOOK_SECRET"] = "0123456789abcdef"
    cli.variables["SIGHTGATE_WEBHOOK_ALLOW_NETWORKS"] = "127.0.0.0/8"
    (job_id,) = submitted(cli, *asked)
    assert job_of(cli, job_id)["webhook"] == "http://127.0.0.1/ended"
    cli.run("jobs", "cancel", job_id)
    assert "http://127.0.0.1/ended (to be called after 0 calls)" in cli.run("jobs", "show", job_id).out


def test_a_submission_that_is_refused_is_one_line(either):
    ended = either.run("jobs", "submit", "a.png", "-p", "nobody")
    assert (ended.code, ended.line) == (1, "sightgate: a.png: there is no plugin 'nobody'; GET /v1/plugins lists them")
    assert either.run("jobs", "submit", "a.png", "-p", "sizes", "--after", "itself").code == 1


def test_a_job_that_waits_is_cancelled_and_a_second_time_refused(either):
    (job_id,) = submitted(either, "a.png", "-p", "sizes", "--delay", "3600")
    ended = either.run("jobs", "cancel", job_id)
    assert (ended.code, ended.out) == (0, f"{job_id} CANCELLED\n")
    again = either.run("jobs", "cancel", job_id, "nobody")
    assert again.code == 1
    first, second = again.err.splitlines()
    assert first.startswith(f"sightgate: {job_id}: the job has ended as CANCELLED")
    assert second == "sightgate: nobody: there is no job 'nobody'"


def test_a_job_is_requeued(either):
    (job_id,) = submitted(either, "a.png", "-p", "sizes", "--delay", "3600")
    either.run("jobs", "cancel", job_id)
    ended = either.run("jobs", "requeue", job_id, "--json")
    assert ended.code == 0, ended.err
    copy = json.loads(ended.out)
    assert copy["copy_of"] == job_id
    assert job_of(either, copy["id"])["inputs"] == job_of(either, job_id)["inputs"]


def test_jobs_are_exported_as_json_lines(either):
    assert either.run("analyze", "a.png", "b.png", "-p", "sizes").code == 0
    lines = either.run("jobs", "export", "--plugin", "sizes", "--status", "success").out.splitlines()
    jobs = [json.loads(line) for line in lines]
    assert len(jobs) >= 2
    assert [job["id"] for job in jobs] == sorted(job["id"] for job in jobs)
    assert all(job["result"]["bytes"] > 0 for job in jobs)


def test_jobs_are_purged_after_a_question(cli):
    cli.run("analyze", "a.png", "b.png", "-p", "sizes")
    cli.run("analyze", "a.png", "-p", "failing")
    asked = cli.start("jobs", "purge", "--plugin", "sizes")
    out, err = asked.communicate("n\n", timeout=60)  # standard input is not a pipe: nothing is read, nothing removed
    assert (asked.returncode, out.strip()) == (1, "")
    assert err.splitlines()[-1] == "sightgate: nothing removed"
    nothing = cli.run("jobs", "requeue", "--status", "failed", "--yes")  # whoever waits for a call repeats it himself
    assert (nothing.code, nothing.out, nothing.err) == (0, "", "no accepted job that has ended matches\n")
    assert len(json.loads(cli.run("jobs", "list", "--json").out)["jobs"]) == 3
    ended = cli.run("jobs", "purge", "--plugin", "sizes", "--yes", "--json")
    assert json.loads(ended.out) == {"removed": 2}
    left = json.loads(cli.run("jobs", "list", "--json").out)["jobs"]
    assert [job["plugin"] for job in left] == ["failing"]


def test_one_job_is_not_many(either):
    (job_id,) = submitted(either, "a.png", "-p", "sizes", "--delay", "3600")
    either.run("jobs", "cancel", job_id)
    assert either.run("jobs", "purge", "--search", job_id, "--yes").out == "removed 1 job\n"


def test_a_filter_that_is_empty_removes_nothing(either):
    """As a variable of a script is that was not set."""
    (job_id,) = submitted(either, "a.png", "-p", "sizes", "--delay", "3600")
    either.run("jobs", "cancel", job_id)
    refused = either.run("jobs", "purge", "--plugin", "", "--yes")
    assert (refused.code, refused.out) == (1, "")
    assert refused.line == "sightgate: plugin is empty; say what it is to be, or leave it out"
    assert job_of(either, job_id)["status"] == "CANCELLED"


def test_purging_over_http_asks_the_server(served):
    served.run("analyze", "a.png", "-p", "failing")
    removed = json.loads(served.run("jobs", "purge", "--error-code", "plugin_failed", "--yes", "--json").out)["removed"]
    assert removed >= 1
    assert json.loads(served.run("jobs", "list", "--error-code", "plugin_failed", "--json").out)["jobs"] == []


def test_a_job_is_followed_to_its_end(served):
    (job_id,) = submitted(served, "a.png", "-p", "sizes", "--delay", "1")
    ended = served.run("jobs", "events", job_id, "--json")
    assert ended.code == 0, ended.err
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert [event["event"] for event in events] == ["status", "status", "end"]
    assert events[-1]["data"]["result"]["bytes"] > 0
    assert "SUCCESS" in served.run("jobs", "events", job_id).out


def test_following_a_job_that_fails_exits_with_a_failure(served):
    (job_id,) = submitted(served, "a.png", "-p", "failing")
    ended = served.run("jobs", "events", job_id)
    assert ended.code == 1
    assert "plugin_failed" in ended.out


def test_following_a_job_is_ended_by_the_end_of_the_server_and_says_so(cli, read_until, end):
    cli.variables["SIGHTGATE_DRAIN_S"] = "0"
    with cli.serving() as server:
        (job_id,) = submitted(cli, "a.png", "-p", "slow")
        following = cli.start("jobs", "events", job_id)
        read_until(following, "RUNNING")
        end(server.process)
        _, err = following.communicate(timeout=60)
    assert following.returncode == 1
    assert err == "sightgate: the server stopped before the job had ended; the job goes on with the next one\n"


def test_nothing_can_be_followed_where_no_server_runs(cli):
    (job_id,) = submitted(cli, "a.png", "-p", "sizes")
    ended = cli.run("jobs", "events", job_id)
    assert ended.code == 2
    assert "no server runs" in ended.line


def test_a_running_job_is_cancelled_by_the_command_line(served):
    (job_id,) = submitted(served, "a.png", "-p", "slow")
    until = time.monotonic() + 60
    while job_of(served, job_id)["status"] != "RUNNING":
        assert time.monotonic() < until
    assert served.run("jobs", "cancel", job_id).out == f"{job_id} CANCELLED\n"


def test_what_a_dead_server_was_running_can_be_cancelled_without_one(cli):
    with cli.serving() as server:
        (job_id,) = submitted(cli, "a.png", "-p", "slow")
        until = time.monotonic() + 60
        while job_of(cli, job_id)["status"] != "RUNNING":
            assert time.monotonic() < until
        server.process.kill()
        server.process.wait(60)
    assert cli.run("jobs", "cancel", job_id).out == f"{job_id} CANCELLED\n"
    assert [attempt["outcome"] for attempt in job_of(cli, job_id)["attempts"]] == ["interrupted"]


def test_what_was_submitted_without_a_server_is_run_by_the_next(cli):
    (job_id,) = submitted(cli, "a.png", "-p", "sizes")
    with cli.serving():
        assert cli.run("jobs", "events", job_id).code == 0
    assert job_of(cli, job_id)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("list", "--since", "yesterday"), "since must be a time"),
        (("list", "--error-code", "nonsense"), "there is no error code"),
        (("export", "--batch", "nobody"), "is no id of a batch"),
        (("list", "--status", "success", "--error-code", "plugin_failed"), "has no error code"),
        (("purge", "--yes", "--status", "running"), "only jobs that have ended are removed"),
        (("purge", "--yes", "--until", "never"), "until must be a time"),
    ],
)
def test_a_filter_that_makes_no_sense_is_one_line(either, arguments, said):
    (either.folder / "data").mkdir(exist_ok=True)
    ended = either.run("jobs", *arguments)
    assert ended.code == 1
    assert said in ended.line
