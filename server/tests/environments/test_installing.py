"""A plugin is installed into an environment of its own, and runs from there."""

import json
import os
from pathlib import Path

from support.environment_place import COLD, WARM, Place, make_place
from support.running_server import Home, running
from support.wheels import TINT, Wheel, tint, write_all


def test_an_installed_plugin_runs_without_a_server(place: Place):
    place.install(WARM)
    assert place.analyze("warm") == {"version": "1.0", "colours": "three"}


def test_plugins_with_conflicting_dependencies_run_side_by_side(place: Place):
    place.install(WARM)
    place.install(COLD)
    with running(place.home) as server:
        assert server.result("warm")["colours"] == "three"
        assert server.result("cold")["colours"] == ["red", "green", "blue"]
        row = server.row("cold")
        assert row["origin"] == "environment"
        assert row["place"] == "own environment sightgate-plugin-cold 1.0"
        assert row["isolation_level"] == "sandbox", row["isolation"]
    assert "own environment" in place.plugins("list").out


def test_the_report_lists_what_was_installed_with_versions_and_licences(place: Place):
    said = place.plugins("install", WARM, "--wheels", place.wheels).out
    assert "colourlib (GNU Affero General Public License v3)" in said
    report = json.loads(place.plugins("environments", "warm", "--json").out)
    assert report["plugins"] == ["warm"]
    assert [(row["name"], row["version"], row["licence"], row["copyleft"]) for row in report["distributions"]] == [
        ("colourlib", "1.0", "GNU Affero General Public License v3", True),
        ("sightgate", "0.1.0", "Apache-2.0", False),
        (WARM, "1.0", "MIT", False),
    ]
    assert "GNU Affero" in place.plugins("environments", WARM).out
    (row,) = json.loads(place.plugins("environments", "--json").out)["environments"]
    assert row["reason"] is None
    assert WARM in place.plugins("environments").out


def test_a_wheel_is_installed_by_its_path_with_its_dependencies_from_the_folder(place: Place):
    change = place.install(place.wheels / "sightgate_plugin_warm-1.0-py3-none-any.whl")
    assert change["distribution"] == WARM


def test_one_distribution_may_hold_several_plugins(place: Place):
    files = {"pair.py": "".join(TINT.format(name=name, version="1").replace("Tint", name) for name in ("one", "two"))}
    Wheel("pair", "1", files, ["colourlib"], {"one": "pair:one", "other-name": "pair:two"}).write(place.wheels)
    assert place.install("pair")["plugins"] == ["one", "two"]
    with running(place.home) as server:
        assert server.result("one")["version"] == server.result("two")["version"] == "1"
    assert place.plugins("remove", "two").out == "removed pair\n"
    assert place.state() == {}


def test_source_code_is_built_only_if_that_is_asked_for(place: Place):
    folder = place.home.folder / "source"
    files = {"made.py": TINT.format(name="made", version="3")}
    built = Wheel("made", "3", files, ["colourlib", "sightgate"], {"made": "made:Tint"}).write(folder / "built")
    copying = f"shutil.copy({str(built)!r}, folder); return {built.name!r}"
    backend = f"import shutil\ndef build_wheel(folder, *_): {copying}\n"
    (folder / "backend.py").write_text(backend)
    (folder / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        "[project]\nname = 'made'\nversion = '3'\ndependencies = ['colourlib', 'sightgate']\n"
        "[tool.uv.sources]\nsightgate = { path = 'an-sdk-of-its-own' }\n"
    )
    assert "Building source distributions" in place.refused(folder)
    assert place.install(folder, "--allow-build")["version"] == "3"
    assert place.analyze("made")["version"] == "3"


def test_an_own_environment_takes_the_place_of_a_bundled_plugin_until_it_is_removed(tmp_path: Path):
    place = make_place(tmp_path, installed_plugins="true")
    write_all(place.wheels, tint("fingerprint", "9.0", "1.0"))
    with running(place.home) as server:
        assert server.row("fingerprint")["origin"] == "entry_point"
        place.install("sightgate-plugin-fingerprint")
        assert server.result("fingerprint")["version"] == "9.0"
        first = server.row("fingerprint")["place"]
    with running(place.home) as server:
        assert server.result("fingerprint")["version"] == "9.0"
        assert server.row("fingerprint")["place"] == first
        assert "own environment sightgate-plugin-fingerprint 9.0, instead of entry point" in first
        assert place.plugins("remove", "fingerprint").code == 0
        assert server.row("fingerprint")["origin"] == "entry_point"
        assert "version" not in server.result("fingerprint")


def test_an_environment_of_another_python_is_a_row_with_a_reason_until_it_is_installed_again(place: Place):
    place.install(WARM)
    (report,) = place.environments.glob(f"{WARM}/versions/*/report.json")
    report.write_text(report.read_text().replace('"python": "', '"python": "1.'))
    with running(place.home) as server:
        row = server.row("warm")
        assert row["state"] == "FAILED"
        assert "was made for Python 1.3" in row["reason"]
        assert "was made for Python 1.3" in place.plugins("environments").out
        place.install(WARM, "--upgrade")
        assert server.result("warm")["version"] == "1.0"


def test_two_environments_that_come_to_hold_one_name_are_both_failed(place: Place):
    place.install(WARM)
    place.install(COLD)
    (report,) = place.environments.glob(f"{COLD}/versions/*/report.json")
    report.write_text(report.read_text().replace('"cold": "cold:Tint"', '"warm": "cold:Tint"'))
    (module,) = place.environments.glob(f"{COLD}/versions/*/lib/*/site-packages/cold.py")
    module.write_text(module.read_text().replace('"cold"', '"warm"'))
    # Of the same size and second as the old code, it would pass for what was compiled at the installation.
    os.utime(module, (0, 0))
    with running(Home(place.home.folder, place.home.settings)) as server:
        row = server.row("warm")
        assert row["state"] == "FAILED"
        assert WARM in row["reason"]
        assert COLD in row["reason"]
