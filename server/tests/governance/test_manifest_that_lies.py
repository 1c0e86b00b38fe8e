"""A plugin that lies about itself, asks for what does not exist, or is another one at the next load."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.errors import assert_error
from support.running_server import RunningServer, eventually, make_home, running

RUN = """
    def run(self, payload):
        return {"version": self.version}
"""
# What a class says of itself, and what the reason must hold.
LIES = {
    "limits_of_no_sense": ("limits = {'timeout_s': -1}", "limits.timeout_s"),
    "limits_of_another_type": ("limits = 'none'", "limits"),
    "limits_that_do_not_exist": ("limits = {'patience': 3}", "patience"),
    "a_permission_of_no_kind": ("permissions = {'root': True}", "root"),
    "a_permission_of_another_type": ("permissions = {'network': 'all'}", "permissions.network"),
    "a_description_without_end": ("description = 'x' * 1_000_000", "description"),
    "requires_what_is_not_there": ("requires = ['no-such-module-anywhere']", "no-such-module-anywhere"),
}


def plugin(name: str, says: str = "", version: str = "1") -> str:
    return f'class Plugin:\n    name = "{name}"\n    version = "{version}"\n    {says}\n{RUN}'


@pytest.fixture(scope="module")
def liars(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = make_home(tmp_path_factory.mktemp("liars"), "answering", breaker_rest_s=0.1)
    for name, (says, _) in LIES.items():
        (home.plugins / f"{name}.py").write_text(plugin(name, says))
    (home.plugins / "changing.py").write_text(plugin("changing"))
    (home.plugins / "reading.py").write_text(
        plugin("reading", "permissions = {'read': ['/no/such/folder'], 'network': ['no.such.host:1']}")
    )
    (home.plugins / "greedy.py").write_text(plugin("greedy", "permissions = {'read': ['/no/such/folder']}"))
    home.data.mkdir()
    (home.data / "plugins.toml").write_text(
        textwrap.dedent("""
        [reading.grant]
        read = ["/no/such/folder"]
        network = ["no.such.host:1"]
        """)
    )
    with running(home) as started:
        yield started


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_a_row_with_its_reason_and_the_others_work(liars: RunningServer, name: str):
    row = liars.row(name)
    assert row["state"] in ("FAILED", "UNAVAILABLE")
    assert LIES[name][1] in row["reason"]
    error = assert_error(liars.analyze(name), 503, "plugin_unavailable")
    assert LIES[name][1] in error["message"]
    assert liars.result("echo")["calls"]


def test_what_does_not_exist_can_be_granted_and_reaches_nothing(liars: RunningServer):
    assert liars.result("reading") == {"version": "1"}
    assert liars.row("reading")["granted"] == {"read": ["/no/such/folder"], "network": ["no.such.host:1"]}


def test_what_does_not_exist_is_not_granted_by_itself(liars: RunningServer):
    error = assert_error(liars.analyze("greedy"), 503, "permission_not_granted")
    assert "read" in error["message"]


def test_a_plugin_that_is_another_one_at_the_next_load_waits_for_the_operator(liars: RunningServer):
    file = liars.home.plugins / "changing.py"
    file.write_text(plugin("changing", version="2"))
    error = assert_error(liars.analyze("changing"), 503, "plugin_unavailable")
    assert "reload" in error["message"]
    file.write_text(plugin("changing", version="1"))  # changed back: its next worker is as it was discovered
    eventually(lambda: liars.analyze("changing").status_code == 200, "call after the rest")
    file.write_text(plugin("changing", "permissions = {'network': ['everywhere:1']}", version="3"))
    assert liars.http.post("/v1/plugins/changing/reload").status_code == 200
    assert_error(liars.analyze("changing"), 503, "permission_not_granted")
    file.write_text(plugin("another-name"))
    assert_error(liars.http.post("/v1/plugins/changing/reload"), 503, "plugin_unavailable")
    file.unlink()
    assert_error(liars.http.post("/v1/plugins/changing/reload"), 503, "plugin_unavailable")
    assert liars.result("echo")["calls"]


def test_a_file_that_is_gone_is_a_reason_and_no_crash(tmp_path: Path):
    home = make_home(tmp_path, "answering")
    (home.plugins / "leaving.py").write_text(plugin("leaving"))
    with running(home) as server:
        (home.plugins / "leaving.py").unlink()
        error = assert_error(server.analyze("leaving"), 503, "plugin_unavailable")
        assert "leaving.py is not there any more" in error["message"]
        assert str(home.plugins) not in error["message"]
        assert server.result("echo")["calls"] == 1
