"""Find the plugin classes of a source (a file, a package folder, an entry point) and make plugins of them."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from sightgate.errors import SightgateError, Unavailable
from sightgate.manifest import Limits, Manifest, ManifestError, Source, check_name, check_permissions
from sightgate.plugin import declared_types
from sightgate.schema import json_schema


class NoPluginFound(SightgateError):
    """The source holds no plugin class."""


def load_classes(source: Source) -> list[type]:
    """Import a source and return its plugin classes, in order of definition.

    Raises whatever the import raises, and NoPluginFound. A plugin class is a class, defined there and not imported,
    with a ``name`` text and a ``run`` method, whose own name does not begin with ``_``.
    """
    if source.kind == "entry_point":
        return [_from_entry_point(source.value)]
    module = import_path(Path(source.value))
    found = [member for member in _own_classes(module) if _is_plugin_class(member)]
    if not found:
        raise NoPluginFound("no class here has a name and a run method")
    return sorted(found, key=_position)


def import_path(path: Path) -> ModuleType:
    """Import a Python file or package folder by its path; its neighbours can be imported by it.

    Raises NoPluginFound if nothing is there.
    """
    folder = str(path.parent)
    if folder not in sys.path:
        # At the end: a neighbour never hides a module of the standard library or of an installed package.
        sys.path.append(folder)
    file = path / "__init__.py" if path.is_dir() else path
    if not file.exists():
        raise NoPluginFound(f"{path.name} is not there any more")
    name = _module_name(path.stem)
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(path)] if path.is_dir() else None
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is no Python file or package")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def describe(plugin_class: type) -> Manifest:
    """Return the manifest of a plugin class. Raises ManifestError naming the field that is wrong."""
    options_type, result_type = declared_types(plugin_class)
    return Manifest(
        name=check_name(getattr(plugin_class, "name", None)),
        version=str(getattr(plugin_class, "version", "") or ""),
        description=str(getattr(plugin_class, "description", "") or ""),
        limits=Limits.from_data(getattr(plugin_class, "limits", None) or {}),
        permissions=check_permissions(getattr(plugin_class, "permissions", None) or {}),
        options_schema=None if options_type is None else _schema_of("options", options_type, "validation"),
        result_schema=None if result_type is None else _schema_of("result", result_type, "serialization"),
    )


def check_requirements(plugin: object, config: Mapping[str, Any]) -> None:
    """Raise Unavailable if a module that the plugin requires is not there or the plugin itself names a reason."""
    for module in getattr(plugin, "requires", ()):
        if not _is_importable(module):
            raise Unavailable(f"it needs the module {module!r}, which is not installed in its environment")
    unavailable = getattr(plugin, "unavailable", None)
    reason = unavailable(dict(config)) if callable(unavailable) else None
    if reason:
        raise Unavailable(str(reason))


def load_plugin(plugin: object, config: Mapping[str, Any]) -> None:
    """Call the plugin's ``load``, with its configuration if it takes one."""
    load = getattr(plugin, "load", None)
    if not callable(load):
        return
    if inspect.signature(load).parameters:
        load(dict(config))
    else:
        load()


def _is_importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that it is a part of is not there
        return False


def _schema_of(what: str, annotated: Any, mode: Literal["validation", "serialization"]) -> dict[str, Any]:
    try:
        return json_schema(annotated, mode)
    except (TypeError, ValueError) as unusable:
        raise ManifestError(f"the type of the {what} has no JSON Schema: {unusable}") from unusable


def _from_entry_point(value: str) -> type:
    module_name, _, attribute = value.partition(":")
    target: Any = importlib.import_module(module_name.strip())
    for part in attribute.strip().split("."):
        target = getattr(target, part)
    if not isinstance(target, type) or not callable(getattr(target, "run", None)):
        raise NoPluginFound(f"{value} is no class with a run method")
    return target


def _module_name(stem: str) -> str:
    return f"plugin_{stem}" if stem in sys.modules or stem in sys.stdlib_module_names else stem


def _own_classes(module: ModuleType) -> Iterator[type]:
    inside = f"{module.__name__}."
    seen: set[type] = set()  # a class may stand under several names
    for name, member in vars(module).items():
        if isinstance(member, type) and not name.startswith("_") and not member.__name__.startswith("_"):
            defined_in = member.__module__
            if member not in seen and (defined_in == module.__name__ or defined_in.startswith(inside)):
                seen.add(member)
                yield member


def _is_plugin_class(member: type) -> bool:
    return isinstance(getattr(member, "name", None), str) and callable(getattr(member, "run", None))


def _position(member: type) -> tuple[str, int]:
    try:
        return member.__module__, inspect.getsourcelines(member)[1]
    except (OSError, TypeError):
        return member.__module__, 0
