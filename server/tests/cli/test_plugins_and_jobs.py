"""`sightgate plugins …` and `sightgate jobs …`, with and without a running server."""

import json


def test_plugins_are_listed_with_the_reason_why_one_cannot_be_called(cli):
    (cli.folder / "plugins" / "broken.py").write_text("import no_such_module\n")
    rows = json.loads(cli.run("plugins", "list", "--json").out)["plugins"]
    assert {row["name"] for row in rows} == {"broken", "failing", "sizes", "slow"}
    shown = cli.run("plugins", "list").out
    assert "Counts bytes." in shown
    assert "no_such_module" in shown


def test_a_plugin_is_shown(either):
    ended = either.run("plugins", "show", "sizes")
    assert ended.code == 0, ended.err
    assert "Counts bytes." in ended.out
    assert "timeout_s 30" in ended.out
    assert json.loads(either.run("plugins", "show", "sizes", "--json").out)["version"] == "1.2"


def test_an_unknown_plugin_is_one_line(either):
    ended = either.run("plugins", "show", "nobody")
    assert ended.code == 1
    assert "there is no plugin 'nobody'" in ended.line


def test_a_plugin_that_keeps_its_contract_passes_the_check(cli):
    (cli.folder / "good.py").write_text("class Good:\n name = 'good'\n def run(self, payload): return {'n': 1}\n")
    ended = cli.run("plugins", "check", "good.py")
    assert ended.code == 0, ended.out
    assert "good" in ended.out


def test_a_plugin_that_breaks_its_contract_fails_the_check(cli):
    (cli.folder / "bad.py").write_text("class Bad:\n name = 'bad'\n def run(self, payload): return None\n")
    assert cli.run("plugins", "check", "bad.py").code == 1


def test_a_check_whose_options_are_no_json_is_bad_usage(cli):
    (cli.folder / "good.py").write_text("class Good:\n name = 'good'\n def run(self, payload): return {'n': 1}\n")
    ended = cli.run("plugins", "check", "good.py", "--options", "{")
    assert (ended.code, ended.out) == (2, "")
    assert "argument --options: this is not JSON" in ended.line


def test_a_plugin_that_kills_its_process_fails_the_check(cli):
    (cli.folder / "killer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    ended = cli.run("plugins", "check", "killer.py")
    assert ended.code == 1
    assert "its process ended with signal SIGKILL, while it was imported" in ended.out
    assert ended.out.endswith("1 fault\n")


def test_a_plugin_that_ends_its_process_in_a_call_as_if_all_were_well_fails_the_check(cli):
    (cli.folder / "leaver.py").write_text(
        "import os\nclass Leaver:\n name = 'leaver'\n def run(self, payload): print('bye'), os._exit(0)\n"
    )
    ended = cli.run("plugins", "check", "leaver.py")
    assert ended.code == 1
    assert "bye" in ended.out
    assert "FAIL leaver: it stays until the check has ended" in ended.out
    assert "its process ended with exit code 0, after: it loads" in ended.out


def test_jobs_are_listed_filtered_paged_and_shown(either):
    either.run("analyze", "a.png", "b.png", "-p", "sizes")
    page = json.loads(either.run("jobs", "list", "--plugin", "sizes", "--limit", "1", "--json").out)
    assert [(job["plugin"], job["status"]) for job in page["jobs"]] == [("sizes", "SUCCESS")]
    newest = page["jobs"][0]["id"]
    rest = json.loads(either.run("jobs", "list", "--plugin", "sizes", "--cursor", page["next_cursor"], "--json").out)
    assert newest not in {job["id"] for job in rest["jobs"]}
    shown = either.run("jobs", "show", newest)
    assert shown.code == 0
    assert "bytes" in shown.out
    assert json.loads(either.run("jobs", "show", newest, "--json").out)["result"]["bytes"] > 0


def test_a_failed_job_is_listed_and_shown_with_its_error(served):
    served.run("analyze", "a.png", "-p", "failing")
    failed = json.loads(served.run("jobs", "list", "--status", "failed", "--plugin", "failing", "--json").out)["jobs"][
        0
    ]
    assert failed["id"] in served.run("jobs", "list", "--plugin", "failing").out
    assert "plugin_failed" in served.run("jobs", "show", failed["id"]).out


def test_an_unknown_job_is_one_line(either):
    (either.folder / "data").mkdir(exist_ok=True)
    unknown = either.run("jobs", "show", "nobody")
    assert (unknown.code, unknown.line) == (1, "sightgate: there is no job 'nobody'")


def test_a_forged_cursor_is_one_line(served):
    ended = served.run("jobs", "list", "--cursor", "forged")
    assert ended.code == 1
    assert "cursor" in ended.line
