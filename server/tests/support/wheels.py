"""Wheels of one's own making, in a folder: what an index would hold, without one (PEP 427)."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

TINT = """
import colourlib

class Tint:
    name = "{name}"
    version = "{version}"
    limits = {{"timeout_s": 10, "memory_mb": 256}}

    def run(self, payload):
        return {{"version": "{version}", "colours": colourlib.COLOURS}}
"""


@dataclass(frozen=True)
class Wheel:
    """A distribution: its modules by path, what it requires, its plugins (entry point name to value)."""

    name: str
    version: str
    files: Mapping[str, str]
    requires: Sequence[str] = ()
    plugins: Mapping[str, str] = field(default_factory=dict)
    metadata: str = "License-Expression: MIT\n"

    def write(self, folder: Path) -> Path:
        """Write the wheel and return its path."""
        stem = self.name.replace("-", "_")
        information = f"{stem}-{self.version}.dist-info"
        head = f"Metadata-Version: 2.4\nName: {self.name}\nVersion: {self.version}\n{self.metadata}"
        content = {
            **self.files,
            f"{information}/METADATA": head + "".join(f"Requires-Dist: {one}\n" for one in self.requires),
            f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        if self.plugins:
            points = "".join(f"{name} = {value}\n" for name, value in self.plugins.items())
            content[f"{information}/entry_points.txt"] = f"[sightgate.plugins]\n{points}"
        content[f"{information}/RECORD"] = "".join(f"{name},,\n" for name in (*content, f"{information}/RECORD"))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{stem}-{self.version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in content.items():
                archive.writestr(name, text)
        return path


def colourlib(version: str) -> Wheel:
    """A library of which two versions do not get on."""
    colours = {"1.0": "'three'", "2.0": "['red', 'green', 'blue']"}[version]
    licence = "Classifier: License :: OSI Approved :: GNU Affero General Public License v3\n"
    return Wheel("colourlib", version, {"colourlib.py": f"COLOURS = {colours}\n"}, metadata=licence)


def tint(name: str, version: str, library: str, source: str = TINT) -> Wheel:
    """A plugin that needs one version of that library."""
    module = name.replace("-", "_")
    files = {f"{module}.py": source.format(name=name, version=version)}
    requires = ["sightgate", f"colourlib=={library}"]
    return Wheel(f"sightgate-plugin-{name}", version, files, requires, {name: f"{module}:Tint"})


def write_all(folder: Path, *wheels: Wheel) -> Path:
    """Write wheels into one folder and return it."""
    for wheel in wheels:
        wheel.write(folder)
    return folder
