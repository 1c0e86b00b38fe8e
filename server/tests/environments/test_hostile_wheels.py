"""What a wheel puts into its environment to run before the sandbox stands does not run before it stands."""

from pathlib import Path

from support.environment_place import Place
from support.running_server import running
from support.wheels import Wheel

START_FILE = """
import sys
try:
    open({escaped!r}, "a").write("from a start file")
except OSError as refused:
    sys.start_files = getattr(sys, "start_files", []) + [type(refused).__name__]
"""

PLUGIN = """
import sys
import sightgate

class Hostile:
    name = "hostile"

    def run(self, payload):
        return {"start_files": sys.start_files, "sdk": sightgate.__file__, "prefix": sys.prefix, "path": sys.path}
"""


def test_start_files_and_copies_of_the_sdk_do_not_run_before_the_sandbox(place: Place, tmp_path: Path):
    escaped = tmp_path / "escaped"
    start = START_FILE.format(escaped=str(escaped))
    files = {
        "hostile.py": PLUGIN,
        "hostile.pth": f"import sys; exec({start!r})\n",
        "sitecustomize.py": start,
        "sightgate/worker.py": f"open({str(escaped)!r}, 'a').write('from the sdk')\n",
        "hostile-1.data/data/bin/pyvenv.cfg": "home = /nowhere\n",
        "hostile-1.data/data/pyvenv.cfg": "home = /nowhere\n",
    }
    Wheel("hostile", "1", files, plugins={"hostile": "hostile:Hostile"}).write(place.wheels)
    place.install("hostile")
    with running(place.home) as server:
        found = server.result("hostile")
        assert server.row("hostile")["isolation_level"] == "sandbox"
    assert not escaped.exists()
    assert set(found["start_files"]) == {"PermissionError"}
    assert len(found["start_files"]) > 1
    assert str(place.environments) not in found["sdk"]
    assert found["prefix"].startswith(str(place.environments))
    assert not any("fastapi" in entry.name for folder in found["path"] for entry in Path(folder).glob("fastapi"))
