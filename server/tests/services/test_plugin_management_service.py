"""Plugins as the operator sees them: discovery, ``plugins.toml``, enable, disable, reload."""

import asyncio
from typing import Any

import pytest

from app.governance.errors import PluginNotFound, PluginRefused
from app.plugins.loader.plugin_registry import PluginRegistry
from app.services.operator_file import OperatorFileError
from app.wiring import Sightgate
from sightgate.check import sample_png

PAYLOAD = {"image": sample_png(4, 4), "mime_type": "image/png", "options": {}}

ANT = """
import os
class Ant:
    name = "ant"
    version = "1.0"
    limits = {"workers": 4, "timeout_s": 30}
    def load(self, config):
        self.config = config
    def run(self, payload):
        return {"version": self.version, "config": self.config, "pid": os.getpid()}
"""
ASKS = ANT + "    permissions = {'network': ['example.org'], 'gpu': True}\n"


async def call(server: Sightgate, name: str = "ant") -> dict[str, Any]:
    """Return the result, or ``code`` and ``message`` of the error."""
    result, envelope = await server.plugin_execution.execute_async(name, dict(PAYLOAD))
    if not envelope:
        return result
    return {"code": envelope["error"]["details"]["code"], "message": envelope["error"]["message"]}


async def test_every_plugin_of_the_folder_is_a_row_and_a_broken_one_has_its_reason(home: Any) -> None:
    home.write("ant", ANT)
    home.write("broken", "raise ValueError('at import')\n")
    home.write("heavy", "import a_module_that_is_nowhere\n")
    home.write("dies", "import os\nos._exit(3)\n")
    server = await home.start()
    rows = {row["name"]: row for row in server.plugins.show_all()}
    assert {name: row["state"] for name, row in rows.items()} == {
        "ant": "IDLE",
        "broken": "FAILED",
        "heavy": "UNAVAILABLE",
        "dies": "FAILED",
    }
    assert "at import" in rows["broken"]["reason"]
    assert "a_module_that_is_nowhere" in rows["heavy"]["reason"]
    assert (rows["ant"]["place"], rows["ant"]["version"]) == ("ant.py", "1.0")
    assert (await call(server))["version"] == "1.0"
    assert (await call(server, "broken"))["code"] == "plugin_unavailable"
    assert (await server.readiness()).ready


async def test_no_worker_is_left_from_discovery(home: Any) -> None:
    home.write("ant", ANT)
    server = await home.start()
    assert server.plugins.pools()["ant"].worker_count == 0


async def test_a_warm_plugin_has_a_worker_at_start(home: Any) -> None:
    home.write("ant", ANT)
    home.say("[ant]\nwarm = true\n")
    server = await home.start()
    (pid,) = server.plugins.pools()["ant"].pids()
    assert (await call(server))["pid"] == pid


async def test_a_warm_plugin_that_does_not_load_is_a_row_with_its_reason(home: Any) -> None:
    home.write("ant", ANT.replace("self.config = config", "raise ValueError('broken model')"))
    home.say("[ant]\nwarm = true\n")
    server = await home.start()
    assert server.plugins.show("ant")["state"] == "FAILED"
    assert "broken model" in server.plugins.show("ant")["reason"]


async def test_the_operators_configuration_reaches_load(home: Any) -> None:
    home.write("ant", ANT)
    home.say("[ant]\nconfig = { model = 'a.onnx', sizes = [1, 2] }\n")
    assert (await call(await home.start()))["config"] == {"model": "a.onnx", "sizes": [1, 2]}


async def test_limits_are_cut_to_the_operators_and_what_was_declared_is_shown(home: Any) -> None:
    home.write("ant", ANT)
    home.write("bee", ANT.replace("ant", "bee"))
    home.say("[ant]\nlimits = { workers = 2, timeout_s = 60 }\n")
    server = await home.start()
    row = server.plugins.show("ant")
    assert (row["limits"]["workers"], row["limits"]["timeout_s"]) == (2, 30.0)
    assert row["declared"]["limits"]["workers"] == 4
    assert server.plugins.show("bee")["declared"] == {}
    assert server.plugins.pools()["ant"].capacity == 2
    assert (await call(server))["version"] == "1.0"


async def test_a_plugin_disabled_in_the_file_is_refused_and_says_where(home: Any) -> None:
    home.write("ant", ANT)
    home.say("[ant]\nenabled = false\n")
    server = await home.start()
    assert server.plugins.show("ant")["state"] == "UNAVAILABLE"
    refused = await call(server)
    assert refused["code"] == "plugin_disabled"
    assert "plugins.toml" in refused["message"]


async def test_enabling_and_disabling_hold_at_once_and_over_a_restart_and_win_over_the_file(home: Any) -> None:
    home.write("ant", ANT)
    home.say("[ant]\nenabled = false\n")
    server = await home.start()
    assert (await server.plugins.set_enabled("ant", enabled=True))["state"] == "IDLE"
    assert (await call(server))["version"] == "1.0"
    await home.stop()
    server = await home.start()
    assert (await call(server))["version"] == "1.0"
    assert (await server.plugins.set_enabled("ant", enabled=False))["state"] == "UNAVAILABLE"
    assert (await call(server))["code"] == "plugin_disabled"
    await home.stop()
    home.say("[ant]\nenabled = true\n")
    assert (await call(await home.start()))["code"] == "plugin_disabled"


@pytest.mark.parametrize(
    ("grant", "code"),
    [
        ("", "permission_not_granted"),
        ("grant = { gpu = true }", "permission_not_granted"),
        ("grant = { network = ['other.org'], gpu = true }", "permission_not_granted"),
        ("grant = { network = ['example.org'], gpu = false }", "permission_not_granted"),
        ("grant = { network = ['example.org'], gpu = true }", None),
        ("grant = { network = ['example.org', 'other.org'], gpu = true }", None),
    ],
)
async def test_a_plugin_runs_only_with_every_permission_that_it_asks_for(
    home: Any, grant: str, code: str | None
) -> None:
    home.write("ant", ASKS)
    home.say(f"[ant]\n{grant}\n")
    server = await home.start()
    answer = await call(server)
    assert answer.get("code") == code
    if code is not None:
        assert server.plugins.show("ant")["state"] == "UNAVAILABLE"
        assert "[ant.grant]" in server.plugins.show("ant")["reason"]


async def test_isolation_is_told_of_the_worker_that_runs_with_all_that_was_granted(home: Any) -> None:
    home.write("ant", ANT + "    permissions = {'network': ['example.org']}\n")
    home.say("[ant]\ngrant = { network = ['example.org'] }\n")
    server = await home.start(sandbox="on")
    described = server.plugins.show("ant")
    assert described["isolation"]["network"] == "denied", "the worker that only describes a plugin is granted nothing"
    await call(server)
    running = server.plugins.show("ant")
    assert running["isolation"]["network"] == "open"
    assert running["isolation_level"] == described["isolation_level"], "what was granted does not count against it"
    assert (await server.plugins.reload("ant"))["isolation"]["network"] == "open"


async def test_disabling_and_enabling_does_not_grant_anything(home: Any) -> None:
    home.write("ant", ASKS)
    server = await home.start()
    await server.plugins.set_enabled("ant", enabled=False)
    row = await server.plugins.set_enabled("ant", enabled=True)
    assert row["state"] == "UNAVAILABLE"
    assert (await call(server))["code"] == "permission_not_granted"


async def test_disabling_and_enabling_does_not_mend_what_could_not_be_loaded(home: Any) -> None:
    home.write("broken", "raise ValueError('at import')\n")
    server = await home.start()
    await server.plugins.set_enabled("broken", enabled=False)
    row = await server.plugins.set_enabled("broken", enabled=True)
    assert row["state"] == "FAILED"
    assert "at import" in row["reason"]


async def test_a_reload_takes_the_new_code_and_keeps_the_figures(home: Any) -> None:
    home.write("ant", ANT)
    server = await home.start()
    before = await call(server)
    home.write("ant", ANT.replace("1.0", "2.0"))
    row = await server.plugins.reload("ant")
    assert (row["version"], row["success_count"]) == ("2.0", 1)
    after = await call(server)
    assert after["version"] == "2.0"
    assert after["pid"] != before["pid"]


async def test_a_reload_reads_the_operators_file_anew(home: Any) -> None:
    home.write("ant", ANT)
    server = await home.start()
    home.say("[ant]\nconfig = { model = 'b.onnx' }\n")
    await server.plugins.reload("ant")
    assert (await call(server))["config"] == {"model": "b.onnx"}


@pytest.mark.parametrize(
    "text",
    [
        "def broken(:\n",
        "import os\nos._exit(3)\n",
        ANT.replace('"ant"', '"bee"'),
        ANT.replace("self.config = config", "raise ValueError('broken model')"),
        ANT.replace('"workers": 4', '"workers": 0'),
    ],
)
async def test_a_reload_of_broken_code_changes_nothing(home: Any, text: str) -> None:
    home.write("ant", ANT)
    server = await home.start()
    before = await call(server)
    home.write("ant", text)
    with pytest.raises(PluginRefused):
        await server.plugins.reload("ant")
    assert server.plugins.show("ant")["version"] == "1.0"
    assert server.plugins.show("ant")["state"] == "SUCCESS"
    assert await call(server) == before


async def test_a_reload_mends_a_plugin_that_could_not_be_loaded(home: Any) -> None:
    home.write("ant", "raise ValueError('at import')\n")
    server = await home.start()
    home.write("ant", ANT)
    assert (await server.plugins.reload("ant"))["state"] == "IDLE"
    assert (await call(server))["version"] == "1.0"


async def test_a_plugin_that_asks_for_more_after_a_reload_is_held_back(home: Any) -> None:
    home.write("ant", ANT)
    server = await home.start()
    await call(server)
    home.write("ant", ASKS)
    assert (await server.plugins.reload("ant"))["state"] == "UNAVAILABLE"
    assert (await call(server))["code"] == "permission_not_granted"


async def test_a_disabled_plugin_stays_disabled_over_a_reload(home: Any) -> None:
    home.write("ant", ANT)
    server = await home.start()
    await server.plugins.set_enabled("ant", enabled=False)
    assert (await server.plugins.reload("ant"))["state"] == "UNAVAILABLE"
    assert (await call(server))["code"] == "plugin_disabled"


async def test_calls_that_run_during_a_reload_end_on_the_old_code(home: Any) -> None:
    go = home.data / "go"
    waits = f"while not os.path.exists({str(go)!r}): pass\n        return"
    home.write("ant", ANT.replace("return", waits))
    server = await home.start()
    running = asyncio.create_task(call(server))
    while not server.plugins.pools()["ant"].worker_count:
        await asyncio.sleep(0.005)
    home.write("ant", ANT.replace("1.0", "2.0"))
    reloading = asyncio.create_task(server.plugins.reload("ant"))
    await asyncio.sleep(0)
    go.touch()
    await reloading
    assert (await running)["version"] == "1.0"
    assert (await call(server))["version"] == "2.0"


async def test_what_is_not_there_cannot_be_managed(home: Any) -> None:
    server = await home.start()
    for attempt in (server.plugins.reload("nobody"), server.plugins.set_enabled("nobody", enabled=True)):
        with pytest.raises(PluginNotFound):
            await attempt
    with pytest.raises(PluginNotFound):
        server.plugins.show("nobody")


async def test_an_embedded_plugin_can_be_disabled_but_not_reloaded(home: Any) -> None:
    class Embedded:
        def run(self, payload: dict[str, Any]) -> dict[str, Any]:
            return {"ok": True}

    registry = PluginRegistry()
    registry.register("embedded", Embedded())
    server = await home.start(registry)
    with pytest.raises(PluginRefused, match="embedded plugin cannot be reloaded"):
        await server.plugins.reload("embedded")
    await server.plugins.set_enabled("embedded", enabled=False)
    assert (await call(server, "embedded"))["code"] == "plugin_disabled"
    await server.plugins.set_enabled("embedded", enabled=True)
    assert await call(server, "embedded") == {"ok": True}


async def test_a_file_of_the_operator_that_is_wrong_fails_a_reload_and_changes_nothing(home: Any) -> None:
    home.write("ant", ANT)
    server = await home.start()
    home.say("[ant]\nwarmth = true\n")
    with pytest.raises(PluginRefused, match="warmth"):
        await server.plugins.reload("ant")
    assert server.plugins.show("ant")["state"] == "IDLE"


async def test_a_file_of_the_operator_that_is_wrong_stops_the_start(home: Any) -> None:
    home.say("[ant]\nenable = true\n")
    with pytest.raises(OperatorFileError):
        await home.start()


async def test_an_interpreter_of_the_operators_that_is_not_there_is_a_reason(home: Any) -> None:
    home.write("ant", ANT)
    home.say("[ant]\ninterpreter = '/nowhere/python'\n")
    server = await home.start()
    assert server.plugins.show("ant")["state"] == "FAILED"
