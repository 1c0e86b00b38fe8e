"""Which classes of a file, a package or an entry point are plugins, and how they are made ready."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sightgate.errors import Unavailable
from sightgate.loading import NoPluginFound, check_requirements, describe, load_classes, load_plugin
from sightgate.manifest import Limits, ManifestError, Source

pytestmark = pytest.mark.usefixtures("own_imports")
WritePlugin = Callable[[str, str], Source]

PLAIN = """
class {name}:
    name = "{plugin}"
    def run(self, payload):
        return {{"ok": True}}
"""


def plain(name: str, plugin: str) -> str:
    return PLAIN.format(name=name, plugin=plugin)


def names(source: Source) -> list[str]:
    return [vars(found)["name"] for found in load_classes(source)]


def test_a_file_may_hold_several_plugins_in_order_of_definition(write_plugin: WritePlugin) -> None:
    source = write_plugin("load_several", plain("Zebra", "zebra") + plain("Ant", "ant") + plain("Mole", "mole"))
    assert names(source) == ["zebra", "ant", "mole"]


def test_a_plugin_under_two_names_is_one_plugin(write_plugin: WritePlugin) -> None:
    assert names(write_plugin("load_alias", plain("Ant", "ant") + "Default = Ant\n")) == ["ant"]


def test_classes_that_begin_with_an_underscore_are_no_plugins(write_plugin: WritePlugin) -> None:
    source = write_plugin("load_private", plain("_Base", "base") + plain("Ant", "ant") + "Public = _Base\n")
    assert names(source) == ["ant"]


def test_classes_without_a_name_or_a_run_method_are_no_plugins(write_plugin: WritePlugin) -> None:
    source = write_plugin(
        "load_helpers",
        plain("Ant", "ant")
        + "class Named:\n    name = 'named'\n"
        + "class Runs:\n    def run(self, payload): ...\n"
        + "class Numbered:\n    name = 7\n    def run(self, payload): ...\n"
        + "class NoMethod:\n    name = 'no-method'\n    run = 7\n",
    )
    assert names(source) == ["ant"]


def test_a_neighbour_whose_name_begins_with_an_underscore_can_be_imported_and_its_classes_are_no_plugins(
    write_plugin: WritePlugin,
) -> None:
    write_plugin("_load_neighbour", plain("Shared", "shared"))
    source = write_plugin(
        "load_imports", "from _load_neighbour import Shared\nclass Mine(Shared):\n    name = 'mine'\n"
    )
    assert names(source) == ["mine"]


def test_a_package_holds_the_plugins_of_its_modules_that_it_names(write_plugin: WritePlugin) -> None:
    write_plugin("load_package/ants", plain("Ant", "ant") + plain("Unnamed", "unnamed"))
    init = write_plugin("load_package/__init__", "from .ants import Ant\n" + plain("Own", "own"))
    folder = Path(init.value).parent
    assert sorted(names(Source("path", str(folder), "load_package"))) == ["ant", "own"]


def test_a_file_named_like_a_module_of_the_standard_library_hides_nothing(write_plugin: WritePlugin) -> None:
    source = write_plugin("colorsys", "import sys\n" + plain("Ant", "ant"))
    assert names(source) == ["ant"]
    import colorsys

    assert hasattr(colorsys, "rgb_to_hsv")


def test_a_neighbour_does_not_hide_the_standard_library(write_plugin: WritePlugin) -> None:
    write_plugin("fractions", "raise RuntimeError('the neighbour was imported')")
    sys.modules.pop("fractions", None)
    assert names(write_plugin("load_stdlib", "import fractions\n" + plain("Ant", "ant"))) == ["ant"]


def test_dataclasses_in_a_file_resolve_their_annotations(write_plugin: WritePlugin) -> None:
    source = write_plugin(
        "load_annotations",
        """
        from __future__ import annotations
        from dataclasses import dataclass
        import sightgate

        @dataclass
        class Options:
            most: int = 3

        class Ant(sightgate.Plugin):
            name = "ant"
            def analyze(self, image: sightgate.Image, options: Options) -> dict:
                return {"most": options.most}
        """,
    )
    (found,) = load_classes(source)
    assert describe(found).options_schema is not None


@pytest.mark.parametrize(
    ("text", "raised"),
    [
        ("def broken(:\n", SyntaxError),
        ("import a_module_that_is_nowhere\n", ModuleNotFoundError),
        ("raise ValueError('at import')\n", ValueError),
        ("raise SystemExit(4)\n", SystemExit),
        ("x = 1\n", NoPluginFound),
        ("", NoPluginFound),
    ],
)
def test_what_an_import_raises_comes_out(write_plugin: WritePlugin, text: str, raised: type[BaseException]) -> None:
    with pytest.raises(raised):
        load_classes(write_plugin("load_broken", text))


def test_a_file_that_is_gone_is_named_without_its_folder(tmp_path: Path) -> None:
    with pytest.raises(NoPluginFound, match=r"^gone.py is not there any more$"):
        load_classes(Source("path", str(tmp_path / "gone.py"), "gone"))


def test_a_file_that_is_no_python_is_an_import_error(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("text")
    with pytest.raises(ImportError, match="no Python file"):
        load_classes(Source("path", str(tmp_path / "readme.txt"), "readme"))


def test_an_entry_point_names_one_class(write_plugin: WritePlugin, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_plugin("load_installed", plain("Ant", "ant") + plain("Bee", "bee") + "class Box:\n    inner = Bee\n")
    monkeypatch.syspath_prepend(str(Path(source.value).parent))
    assert names(Source("entry_point", "load_installed:Ant", "ant")) == ["ant"]
    assert names(Source("entry_point", "load_installed:Box.inner", "bee")) == ["bee"]
    with pytest.raises(NoPluginFound):
        load_classes(Source("entry_point", "load_installed:Box", "box"))
    with pytest.raises(AttributeError):
        load_classes(Source("entry_point", "load_installed:Wasp", "wasp"))
    with pytest.raises(ModuleNotFoundError):
        load_classes(Source("entry_point", "load_uninstalled:Ant", "ant"))


def test_a_plain_plugin_is_described_by_its_attributes() -> None:
    class Ant:
        name = "ant"
        version = "1.0"
        description = "Small."
        limits = {"workers": 3}
        permissions = {"gpu": True}

        def run(self, payload: dict[str, object]) -> dict[str, object]:
            return {}

    manifest = describe(Ant)
    assert (manifest.name, manifest.version, manifest.description) == ("ant", "1.0", "Small.")
    assert manifest.limits == Limits(workers=3)
    assert manifest.permissions == {"gpu": True}
    assert manifest.options_schema is None
    assert manifest.result_schema is None


def test_a_plugin_with_a_name_that_is_none_is_not_described() -> None:
    with pytest.raises(ManifestError, match="name"):
        describe(type("Ant", (), {"name": "Big Ant", "run": lambda self, payload: {}}))


def test_requirements_are_checked_without_importing_them(write_plugin: WritePlugin) -> None:
    write_plugin("load_heavy", "raise RuntimeError('imported')")
    load_classes(write_plugin("load_light", plain("Ant", "ant")))  # puts the folder on the path
    check_requirements(type("Ant", (), {"requires": ("load_heavy", "json")})(), {})
    assert "load_heavy" not in sys.modules


def test_a_missing_requirement_is_named() -> None:
    with pytest.raises(Unavailable, match="'a_module_that_is_nowhere'"):
        check_requirements(type("Ant", (), {"requires": ("json", "a_module_that_is_nowhere")})(), {})


def test_a_missing_part_of_a_package_that_is_missing_is_named() -> None:
    with pytest.raises(Unavailable, match="nowhere"):
        check_requirements(type("Ant", (), {"requires": ("a_package_that_is_nowhere.part",)})(), {})


def test_a_plugin_says_itself_why_it_is_unavailable_by_its_configuration() -> None:
    class Ant:
        def unavailable(self, config: dict[str, object]) -> str | None:
            return None if "model" in config else "set model to a file"

    check_requirements(Ant(), {"model": "a.onnx"})
    with pytest.raises(Unavailable, match="set model to a file"):
        check_requirements(Ant(), {})


def test_load_gets_a_configuration_of_its_own_if_it_takes_one() -> None:
    seen: list[object] = []

    class Configured:
        def load(self, config: dict[str, object]) -> None:
            config["changed"] = True
            seen.append(config)

    class Bare:
        def load(self) -> None:
            seen.append("bare")

    config = {"model": "a.onnx"}
    load_plugin(Configured(), config)
    load_plugin(Bare(), config)
    load_plugin(object(), config)
    assert seen == [{"model": "a.onnx", "changed": True}, "bare"]
    assert config == {"model": "a.onnx"}
