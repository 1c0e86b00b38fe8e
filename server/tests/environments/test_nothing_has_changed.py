"""An installation that fails leaves everything as it was, and says in one line why."""

import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from support.environment_place import COLD, WARM, Place, make_place
from support.running_server import SIGHTGATE, eventually, running
from support.wheels import Wheel, tint, write_all

# Finds the worker's socket, and says there what a check might like to hear.
FORGES = """
import json, os, socket, struct
class Tint:
 name = 'x'
 def run(self, payload):
  head = json.dumps({'v': 1, 'kind': 'ready'}).encode()
  body = json.dumps({'plugins': %s}).encode()
  for number in range(3, 64):
   try:
    socket.socket(fileno=os.dup(number)).sendall(struct.pack('<II', len(head), len(body)) + head + body)
   except OSError:
    pass
  os._exit(0)
"""
BROKEN = {
    "raises-at-import": ("raise RuntimeError('not today')\n", "cannot be loaded: RuntimeError: not today"),
    "ends-its-process": ("import os; os._exit(3)\n", "cannot be loaded: its process ended with exit code 3"),
    "fails-its-check": ("class Tint:\n name = 'x'\n def run(self, payload): return None\n", "it answers a call"),
    "does-not-load": (
        "class Tint:\n name = 'x'\n def load(self): raise OSError('no model')\n def run(self, payload): return {}\n",
        "it loads: OSError: no model",
    ),
    "hangs-in-a-call": (
        "import time\nclass Tint:\n name = 'x'\n limits = {'timeout_s': 2}\n def run(self, payload): time.sleep(600)\n",
        "it answers a call with a result: plugin_timeout: the plugin did not answer within 2 s",
    ),
    "exits-in-a-call": (
        "import os\nclass Tint:\n name = 'x'\n def run(self, payload): os._exit(0)\n",
        "it answers a call with a result: plugin_crashed: the plugin's worker ended with exit code 0",
    ),
    "answers-only-once": (
        "import os\nclass Tint:\n name = 'x'\n n = 0\n def run(self, payload):\n  self.n += 1\n"
        "  return {'n': 1} if self.n == 1 else os._exit(4)\n",
        "it answers a second call: plugin_crashed: the plugin's worker ended with exit code 4",
    ),
    "blames-itself": (
        "import sightgate\nclass Tint(sightgate.Plugin):\n name = 'x'\n"
        " def analyze(self, image, options) -> dict[str, int]:\n  if len(image.data) < 99: raise ValueError('mine')\n"
        "  return {'n': 1}\n",
        "it refuses an image that cannot be decoded as the input's fault: plugin_failed: mine",
    ),
    "fails-at-its-end": (
        "class Tint:\n name = 'x'\n def run(self, payload): return {'n': 1}\n def close(self): 1 / 0\n",
        "it closes: its process ended with exit code 70: ZeroDivisionError: division by zero",
    ),
    "hangs-at-its-end": (
        "import time\nclass Tint:\n name = 'x'\n limits = {'timeout_s': 2}\n def run(self, payload): return {'n': 1}\n"
        " def close(self): time.sleep(600)\n",
        "it closes: its process did not end within 2 s",
    ),
    "forges-an-empty-answer": (FORGES % "[]", "it answers a call with a result: plugin_crashed: "),
    "forges-a-good-answer": (
        FORGES % "[{'plugin': 'x', 'what': 'it answers a call with a result', 'fault': '', 'detail': ''}]",
        "it answers a call with a result: plugin_crashed: ",
    ),
    "hangs-at-import": ("import time; time.sleep(60)\n", "was not loaded within 3 s"),
    "has-a-bad-name": ("class Tint:\n name = 'Not A Name'\n def run(self, payload): return {'n': 1}\n", "name must be"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_plugin_that_is_not_fit_is_not_installed(tmp_path: Path, kind: str):
    # Only what hangs is waited for: on a busy machine the others may take their time.
    place = make_place(tmp_path, discovery_timeout_s=3 if kind == "hangs-at-import" else 60)
    source, reason = BROKEN[kind]
    Wheel("broken", "1", {"broken.py": source}, plugins={"x": "broken:Tint"}).write(place.wheels)
    assert reason in place.refused("broken")
    assert place.state() == {}


def test_what_cannot_be_resolved_is_not_installed(place: Place):
    assert "nowhere was not found" in place.refused("nowhere")
    write_all(place.wheels, tint("odd", "1.0", "3.0"), Wheel("newer", "1", {}, ["sightgate>=99"]))
    assert "colourlib==3.0" in place.refused("sightgate-plugin-odd")
    assert "sightgate>=99" in place.refused("newer")


def test_what_holds_no_plugin_or_is_no_name_is_not_installed(place: Place):
    assert "offers no plugin" in place.refused("colourlib")
    assert "neither a distribution's name nor a path" in place.refused("=1.0")
    assert "nothing has changed" in place.refused("./not-there.whl")


def test_a_file_that_is_no_wheel_is_told_so_and_no_registry_is_asked(place: Place):
    folder = place.home.folder
    (folder / "mk.py").write_text("class Mk:\n name = 'mk'\n def run(self, payload): return {'n': 1}\n")
    (folder / "notes").write_text("nothing\n")
    assert "mk.py is no wheel; a plugin file is served from a plugin folder" in place.refused("mk.py")
    assert "mk.py is no wheel" in place.refused(folder / "mk.py")
    assert place.refused("notes") == "sightgate: nothing has changed: notes is no wheel"


def test_a_plugin_is_installed_once_its_permissions_are_granted(place: Place):
    source = "class Tint:\n name = 'asking'\n permissions = {'read': ['/etc/hostname']}\n"
    source += " def load(self): open('/etc/hostname').close()\n def run(self, payload): return {'n': 1}\n"
    Wheel("asking", "1", {"asking.py": source}, plugins={"asking": "asking:Tint"}).write(place.wheels)
    assert "it asks for read; grant it in plugins.toml under [asking.grant]" in place.refused("asking")
    place.home.data.joinpath("plugins.toml").write_text("[asking.grant]\nread = ['/etc/hostname']\n")
    assert place.install("asking")["plugins"] == ["asking"]


def test_what_is_installed_is_replaced_by_an_upgrade_only(place: Place):
    place.install(WARM)
    assert "is installed already" in place.refused(WARM)
    assert "is installed already" in place.refused(place.wheels / "sightgate_plugin_warm-1.0-py3-none-any.whl")
    assert place.install(WARM, "--upgrade")["changed"] is False


def test_a_name_that_another_environment_has_is_refused(place: Place):
    place.install(WARM)
    other = tint("warm", "1.0", "2.0")
    Wheel("other", "1", other.files, other.requires, other.plugins).write(place.wheels)
    assert "has a plugin 'warm' too" in place.refused("other")


def test_a_failed_upgrade_leaves_the_version_in_use_and_its_former_one(place: Place):
    place.install(WARM)
    write_all(place.wheels, tint("warm", "2.0", "2.0"))
    place.install(WARM, "--upgrade")
    write_all(place.wheels, tint("warm", "3.0", "1.0", "raise RuntimeError('not today')"))
    assert "not today" in place.refused(WARM, "--upgrade")
    assert place.analyze("warm")["version"] == "2.0"


def test_the_version_before_the_last_change_is_kept_and_no_other(place: Place):
    place.install(WARM)
    for version in ("2.0", "3.0"):
        write_all(place.wheels, tint("warm", version, "1.0"))
        assert place.plugins("upgrade", "warm", "--wheels", place.wheels).code == 1, "the distribution is meant"
        assert place.plugins("upgrade", WARM, "--wheels", place.wheels).code == 0
    kept = sorted(folder.name.split("-")[0] for folder in (place.environments / WARM / "versions").iterdir())
    assert kept == ["2.0", "3.0"]
    assert place.plugins("rollback", "warm").code == 0
    assert place.analyze("warm")["version"] == "2.0"
    assert place.plugins("rollback", "warm").code == 0
    assert place.analyze("warm")["version"] == "3.0"


def test_there_is_no_rollback_and_no_removal_of_what_is_not_there(place: Place):
    place.install(WARM)
    before = place.state()
    assert "no earlier version" in place.plugins("rollback", "warm").line
    assert "has no environment" in place.plugins("remove", "nobody").line
    assert place.state() == before


def test_a_server_that_cannot_take_it_up_keeps_what_it_has(tmp_path: Path):
    place = make_place(tmp_path)
    place.install(WARM)
    slow = "import time\nclass Tint:\n name = 'warm'\n def load(self): time.sleep(10)\n"
    slow += " def run(self, payload): return {{'version': '2.0'}}\n"
    write_all(place.wheels, tint("warm", "2.0", "2.0", slow))
    # The command has patience with it, the server has not, but as much as the former version needs on a busy machine.
    hasty = replace(place.home, settings={**place.home.settings, "SIGHTGATE_START_TIMEOUT_S": "8"})
    with running(hasty) as server:
        before = place.state()
        line = place.plugins("upgrade", WARM, "--wheels", place.wheels).line
        assert "the running server refused: " in line
        assert "it was not ready within 8 s" in line
        assert place.state() == before
        assert server.result("warm")["version"] == "1.0"


def test_an_installation_that_is_killed_leaves_nothing_in_use_and_the_next_one_cleans_up(place: Place):
    place.install(WARM)
    before = place.state()
    Wheel("stuck", "1", {"stuck.py": "import time; time.sleep(60)\n"}, plugins={"stuck": "stuck:X"}).write(place.wheels)
    command = [str(SIGHTGATE), "plugins", "install", "stuck", "--wheels", str(place.wheels)]
    process = subprocess.Popen(command, env=place.variables())
    staged = place.environments / ".staging"
    eventually(lambda: list(staged.glob("scratch/worker-*")), "worker that looks at the plugin")
    other = place.plugins("install", COLD, "--wheels", place.wheels)
    assert "another installation is running" in other.line
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert {name: link for name, link in place.state().items() if not name.startswith(".staging")} == before
    assert place.analyze("warm")["version"] == "1.0"
    place.install(COLD)
    assert not staged.exists()
