"""``python -m sightgate.check PATH``: run plugins against their own contract, without a server.

PATH is a plugin file, a package folder, or ``module:Class``. Each plugin is described, made, loaded and called as a
worker does it, in a process of its own; what a caller would be told is what is checked.
"""

import argparse
import importlib.util
import struct
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Never

from sightgate.check_process import run_in_process, tell
from sightgate.errors import SightgateError, Unavailable, counted
from sightgate.execution import Failure, Runnable, describe_exception, valid_unicode
from sightgate.loading import check_requirements, describe, load_classes, load_plugin
from sightgate.manifest import Source
from sightgate.plugin import Plugin
from sightgate.protocol import INPUT
from sightgate.strict_json import read_json
from sightgate.testing import NO_IMAGE, call_once, guess_mime_type

# What the process of the check is given beside the command's own arguments.
_FINDINGS_TO = "--findings-to"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked of one plugin: ``fault`` is empty if it holds."""

    plugin: str
    what: str
    fault: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the plugin is called with."""

    image: bytes
    options: Mapping[str, Any]
    config: Mapping[str, Any]


def check_source(source: Source, sample: Sample) -> Iterator[Finding]:
    """Check every plugin of a source, and yield what was found as it is found."""
    try:
        classes = load_classes(source)
    except BaseException as raised:
        yield _fault(source.name, "it can be imported", raised)
        return
    yield Finding(source.name, "it can be imported")
    for plugin_class in classes:
        yield from check_class(plugin_class, sample)


def check_class(plugin_class: type, sample: Sample) -> Iterator[Finding]:
    """Check one plugin class; stops at the first thing that makes the rest impossible."""
    name = str(getattr(plugin_class, "name", plugin_class.__name__))
    try:
        describe(plugin_class)
    except BaseException as raised:
        yield _fault(name, "its manifest is valid", raised)
        return
    yield Finding(name, "its manifest is valid")
    try:
        plugin: Runnable = plugin_class()
        check_requirements(plugin, sample.config)
        load_plugin(plugin, sample.config)
    except BaseException as raised:
        yield _fault(name, "it loads", raised)
        return
    yield Finding(name, "it loads")
    yield from _check_calls(name, plugin, sample)
    close = getattr(plugin, "close", None)
    if callable(close):
        try:
            close()
        except BaseException as raised:
            yield _fault(name, "it closes", raised)
        else:
            yield Finding(name, "it closes")


def _check_calls(name: str, plugin: Runnable, sample: Sample) -> Iterator[Finding]:
    mime_type = guess_mime_type(sample.image)
    for what in ("it answers a call with a result", "it answers a second call"):
        answer = call_once(plugin, sample.image, mime_type, dict(sample.options))
        yield _answer_finding(name, what, answer)
    if isinstance(plugin, Plugin):
        what = "it refuses an image that cannot be decoded as the input's fault"
        answer = call_once(plugin, sample.image[:40], mime_type, dict(sample.options))
        # A plugin that never decodes the image has nothing to refuse.
        blames_input = not isinstance(answer, Failure) or answer.kind == INPUT
        yield Finding(name, what) if blames_input else _answer_finding(name, what, answer)


def _answer_finding(name: str, what: str, answer: bytes | Failure) -> Finding:
    if isinstance(answer, Failure):
        return Finding(name, what, f"{answer.code}: {answer.message}", answer.traceback)
    return Finding(name, what)


def _fault(name: str, what: str, raised: BaseException) -> Finding:
    failure = describe_exception(raised)
    expected = isinstance(raised, (SightgateError, Unavailable))
    said = failure.message if expected else f"{failure.exception}: {failure.message}"
    return Finding(name, what, said, "" if expected else failure.traceback)


def sample_png(width: int = 64, height: int = 48) -> bytes:
    """Return a small colour-gradient PNG, made without any library."""
    rows = b"".join(
        b"\0" + b"".join(bytes((x * 255 // width, y * 255 // height, 128)) for x in range(width)) for y in range(height)
    )

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def source_of(text: str) -> Source:
    """Return the source that a path or ``module:Class`` names. Raises SightgateError if no plugin can be there."""
    path = Path(text)
    if path.exists():
        if path.is_dir() and not (path / "__init__.py").exists():
            raise SightgateError(f"{text} is no package folder: it has no __init__.py")
        if path.is_file() and importlib.util.spec_from_file_location("plugin", path) is None:
            raise SightgateError(f"{text} is no Python file")
        return Source("path", str(path.resolve()), path.stem)
    if ":" in text:
        return Source("entry_point", text, text.rpartition(":")[2].lower())
    raise SightgateError(f"{text} is no file, no folder, and no module:Class")


class _Report:
    """Prints findings as they come, and counts the faults among them."""

    def __init__(self, source: Source) -> None:
        self.faults = 0
        self._last = Finding(source.name, "")

    def show(self, finding: Finding) -> None:
        self._last = finding
        self.faults += bool(finding.fault)
        lines = [f"{'FAIL' if finding.fault else 'ok':5}{finding.plugin}: {finding.what}"]
        if finding.fault:
            lines += [f"     {finding.fault}", *(f"       {line}" for line in finding.detail.splitlines())]
        sys.stdout.write(valid_unicode("".join(f"{line}\n" for line in lines)))
        sys.stdout.flush()  # the plugin prints on the same output

    def show_early_end(self, how: str) -> None:
        where = f"after: {self._last.what}" if self._last.what else "while it was imported"
        self.show(Finding(self._last.plugin, "it stays until the check has ended", f"{how}, {where}"))

    def show_sum(self) -> None:
        sys.stdout.write(f"{counted(self.faults, 'fault') if self.faults else 'the contract holds'}\n")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns 0 if all holds, 1 if something does not, 2 for bad usage."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        asked = _parser().parse_args(given)
        image = _image_of(asked.image) if asked.image else sample_png()
        source = source_of(asked.source)
    except SightgateError as wrong:
        sys.stderr.write(f"sightgate.check: {wrong}\n")
        return 2
    if asked.findings_to is not None:
        findings = check_source(source, Sample(image, asked.options, asked.config))
        tell((asdict(finding) for finding in findings), asked.findings_to)
    report = _Report(source)
    try:
        early_end = run_in_process(given, _FINDINGS_TO, lambda row: report.show(Finding(**row)))
    except KeyboardInterrupt:
        return 130
    if early_end:
        report.show_early_end(early_end)
    report.show_sum()
    return 1 if report.faults else 0


class _Parser(argparse.ArgumentParser):
    """A parser that leaves it to its caller to tell what is wrong."""

    def error(self, message: str) -> Never:
        raise SightgateError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sightgate.check", description="Run plugins against their own contract.")
    parser.add_argument("source", metavar="PATH", help="a plugin file, a package folder, or module:Class")
    parser.add_argument("--image", type=Path, help="an image to call with; a small PNG is made if not given")
    parser.add_argument("--options", type=_json_object, default={}, help="options as JSON")
    parser.add_argument("--config", type=_json_object, default={}, help="configuration for load() as JSON")
    parser.add_argument(_FINDINGS_TO, type=int, help=argparse.SUPPRESS)
    return parser


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = read_json(text)
    except (ValueError, RecursionError) as broken:
        raise argparse.ArgumentTypeError(f"this is not JSON: {broken}") from broken
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError('this must be a JSON object, such as {"most": 3}')
    return value


def _image_of(file: Path) -> bytes:
    """Return the bytes of an image. Raises SightgateError for what the server would not hand to any plugin."""
    try:
        image = file.read_bytes()
    except OSError as refused:
        raise SightgateError(f"{file} cannot be read: {refused.strerror}") from refused
    if guess_mime_type(image) == NO_IMAGE:
        raise SightgateError(f"{file} is no image: it must be JPEG, PNG, WebP, BMP, GIF or TIFF")
    return image


if __name__ == "__main__":
    sys.exit(main())
