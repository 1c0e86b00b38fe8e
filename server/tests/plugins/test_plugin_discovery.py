"""What is found in folders and packages, and the row that each plugin becomes."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.governance.lifecycle import Availability
from app.plugins.loader.plugin_discovery import (
    Candidate,
    DiscoveryOptions,
    Found,
    describe_source,
    discover,
    folder_sources,
    installed_sources,
    place_of,
    row_name,
)
from app.plugins.sandbox.confinement import Confinement
from sightgate.manifest import NAME_PATTERN, Limits, Source

WritePlugin = Callable[[str, str], Source]

PLAIN = "class {name}:\n    name = '{plugin}'\n    def run(self, payload): ...\n"


def plain(plugin: str) -> str:
    return PLAIN.format(name=plugin.capitalize(), plugin=plugin)


@pytest.fixture
def options(confinement: Confinement) -> DiscoveryOptions:
    return DiscoveryOptions(confinement, timeout_s=30)


async def found(
    source: Source, options: DiscoveryOptions, configs: dict[str, Any] | None = None, interpreter: str = sys.executable
) -> list[Found]:
    return await describe_source(source, interpreter, configs or {}, options)


def test_a_folder_offers_its_files_and_packages_but_not_private_ones(tmp_path: Path) -> None:
    for name in ("ant.py", "_shared.py", ".hidden.py", "notes.txt", "ant.pyc", "bee/__init__.py", "_lib/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "folder.py").mkdir()
    assert folder_sources(tmp_path) == [
        Source("path", str(tmp_path / "ant.py"), "ant"),
        Source("path", str(tmp_path / "bee"), "bee"),
    ]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        folder_sources(tmp_path / "gone")


def test_installed_plugins_are_found_without_being_imported() -> None:
    before = set(sys.modules)  # other tests may have imported a plugin
    sources = {source.name: source for source in installed_sources()}
    assert {"ocr", "faces", "quality"} <= set(sources)
    for source in sources.values():
        assert source.kind == "entry_point"
        assert source.value.partition(":")[0] not in set(sys.modules) - before


async def test_each_plugin_of_a_file_is_a_row_with_its_manifest(
    write_plugin: WritePlugin, options: DiscoveryOptions
) -> None:
    text = plain("ant") + plain("bee") + "    version = '2.0'\n    limits = {'workers': 3}\n"
    ant, bee = await found(write_plugin("several", text), options)
    assert (ant.name, ant.availability, ant.reason) == ("ant", Availability.OK, None)
    assert bee.manifest is not None
    assert (bee.manifest.version, bee.manifest.limits) == ("2.0", Limits(workers=3))


async def test_a_plugins_code_is_never_imported_by_the_server(
    write_plugin: WritePlugin, options: DiscoveryOptions
) -> None:
    source = write_plugin("only_in_the_worker", "import os\n" + plain("ant") + "    version = str(os.getpid())\n")
    (row,) = await found(source, options)
    import os

    assert row.manifest is not None
    assert row.manifest.version != str(os.getpid())
    assert "only_in_the_worker" not in sys.modules


@pytest.mark.parametrize(
    ("text", "availability", "said"),
    [
        ("def broken(:\n", Availability.FAILED, "SyntaxError"),
        ("import a_module_that_is_nowhere\n", Availability.UNAVAILABLE, "a_module_that_is_nowhere"),
        ("raise ValueError('at import')\n", Availability.FAILED, "ValueError: at import"),
        ("raise SystemExit(3)\n", Availability.FAILED, "SystemExit"),
        ("import os\nos._exit(3)\n", Availability.FAILED, "exit code 3"),
        ("import os\nos.kill(os.getpid(), 11)\n", Availability.FAILED, "SIGSEGV"),
        ("x = 1\n", Availability.FAILED, "no class here"),
        ("\x00", Availability.FAILED, "Error"),
        (plain("ant") + "    limits = {'workers': 0}\n", Availability.FAILED, "limits.workers"),
        (plain("ant") + "    requires = ('nowhere_at_all',)\n", Availability.UNAVAILABLE, "nowhere_at_all"),
    ],
)
async def test_a_file_that_does_not_load_is_one_row_with_its_reason(
    write_plugin: WritePlugin, options: DiscoveryOptions, text: str, availability: Availability, said: str
) -> None:
    (row,) = await found(write_plugin("broken_file", text), options)
    assert row.name == ("ant" if "'ant'" in text else "broken_file")
    assert (row.manifest, row.availability) == (None, availability)
    assert row.reason is not None
    assert said in row.reason


async def test_what_a_file_printed_before_its_end_is_kept_for_the_log(
    write_plugin: WritePlugin, options: DiscoveryOptions
) -> None:
    text = "import os, sys\nprint('no licence', file=sys.stderr, flush=True)\nos._exit(3)\n"
    (row,) = await found(write_plugin("prints", text), options)
    assert "no licence" in row.detail


async def test_a_file_that_never_ends_its_import_is_given_up(
    write_plugin: WritePlugin, confinement: Confinement
) -> None:
    source = write_plugin("endless", "import time\ntime.sleep(600)\n")
    (row,) = await found(source, DiscoveryOptions(confinement, timeout_s=1))
    assert (row.name, row.availability) == ("endless", Availability.FAILED)
    assert row.reason == "it was not loaded within 1 s"


async def test_one_bad_class_does_not_hide_the_good_one_beside_it(
    write_plugin: WritePlugin, options: DiscoveryOptions
) -> None:
    text = plain("ant") + "class Bad:\n    name = 'Bad Name'\n    def run(self, payload): ...\n"
    good, bad = await found(write_plugin("mixed", text), options)
    assert (good.name, good.availability) == ("ant", Availability.OK)
    assert (bad.name, bad.availability) == ("mixed", Availability.FAILED)


async def test_a_plugin_sees_its_own_configuration_when_it_says_whether_it_can_run(
    write_plugin: WritePlugin, options: DiscoveryOptions
) -> None:
    source = write_plugin("choosy", plain("choosy") + "    def unavailable(self, config): return config.get('why')\n")
    (usable,) = await found(source, options, {"choosy": {}, "other": {"why": "not mine"}})
    (unusable,) = await found(source, options, {"choosy": {"why": "set model"}})
    assert usable.availability is Availability.OK
    assert (unusable.availability, unusable.reason) == (Availability.UNAVAILABLE, "set model")


@pytest.mark.parametrize("interpreter", ["/nowhere/python", "/bin/false"])
async def test_an_interpreter_that_does_not_work_is_a_row_with_its_reason(
    write_plugin: WritePlugin, options: DiscoveryOptions, interpreter: str
) -> None:
    (row,) = await found(write_plugin("ant", plain("ant")), options, interpreter=interpreter)
    assert (row.name, row.availability) == ("ant", Availability.FAILED)
    assert row.reason


async def test_two_plugins_of_one_name_are_one_failed_row_that_names_both_places(
    write_plugin: WritePlugin, options: DiscoveryOptions
) -> None:
    sources = [write_plugin("here", plain("ant")), write_plugin("there", plain("ant")), write_plugin("b", plain("bee"))]
    rows = {row.name: row for row in await discover(map(Candidate, sources), {}, {}, options)}
    assert set(rows) == {"ant", "bee"}
    assert (rows["ant"].manifest, rows["ant"].availability) == (None, Availability.FAILED)
    assert "here.py and there.py" in str(rows["ant"].reason)
    assert rows["bee"].availability is Availability.OK


async def test_many_sources_are_described_a_few_at_a_time(write_plugin: WritePlugin, confinement: Confinement) -> None:
    sources = [write_plugin(f"many{number}", plain(f"many{number}")) for number in range(6)]
    rows = await discover(map(Candidate, sources), {}, {}, DiscoveryOptions(confinement, at_once=2))
    assert sorted(row.name for row in rows) == [f"many{number}" for number in range(6)]
    while list(confinement.scratch_root.glob("worker-*")):  # nobody waits for all of a removal
        await asyncio.sleep(0.005)


async def test_discovery_that_is_cancelled_leaves_no_worker(
    write_plugin: WritePlugin, options: DiscoveryOptions, tmp_path: Path
) -> None:
    begun = tmp_path / "begun"
    text = f"import os, time\nopen({str(begun) + '.new'!r}, 'w').write(str(os.getpid()))\n"
    text += f"os.rename({str(begun) + '.new'!r}, {str(begun)!r})\ntime.sleep(600)\n"
    task = asyncio.create_task(found(write_plugin("endless", text), options))
    while not begun.exists():
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not Path(f"/proc/{begun.read_text()}").exists()


def test_a_place_tells_people_where_a_plugin_is() -> None:
    assert place_of(Source("path", "/somewhere/private/ant.py", "ant")) == "ant.py"
    assert place_of(Source("entry_point", "ants:Ant", "ant")) == "entry point ants:Ant"


@pytest.mark.parametrize("text", ["Ant Hill", "_x", "", "ÄÖ", "x" * 100, "---", "a.b", "\x00"])
def test_a_rows_name_is_always_a_plugin_name(text: str) -> None:
    assert NAME_PATTERN.fullmatch(row_name(text))
