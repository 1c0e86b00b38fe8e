"""Virtual environments and what is in them, made by uv; nothing of what is installed is run here."""

import asyncio
import os
import sys
from pathlib import Path

import uv

from app.plugins.sandbox.confinement import BASE_INTERPRETER

# They would point uv at another environment, or hand our secrets to the build of a package.
_NOT_PASSED_ON = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_SYSTEM_PYTHON")


class UvFailed(Exception):
    """uv refused or failed; the message is what it said, on one line."""


async def make_environment(folder: Path) -> None:
    """Make an empty virtual environment of the server's base interpreter. Raises UvFailed."""
    await _uv(folder.parent, "venv", "--no-project", "--relocatable", "--python", BASE_INTERPRETER, str(folder))


async def install(folder: Path, wanted: list[str], wheels: Path | None, *, allow_build: bool) -> None:
    """Install distributions into an environment. Raises UvFailed.

    From the folder ``wheels`` alone, without network, or else from where uv is configured to look. Source distributions
    are refused unless ``allow_build``: to build one is to run its author's code, unconfined.
    """
    # Without uv's sources: a project's own table of them may put another SDK in the place of ours.
    options = ["--python", str(folder / "bin" / "python"), "--no-sources"]
    if wheels is not None:
        options += ["--offline", "--no-index", "--find-links", str(wheels)]
    if not allow_build:
        options.append("--no-build")
    await _uv(folder.parent, "pip", "install", *options, "--", *wanted)


async def compile_modules(site_packages: Path) -> None:
    """Compile the modules ahead, for quick starts: a worker may not write there. What cannot be compiled is left."""
    # uv's own --compile-bytecode would start the environment's interpreter, and with it its start files.
    process = await asyncio.create_subprocess_exec(
        BASE_INTERPRETER, "-I", "-S", "-m", "compileall", "-q", "-j", "0", str(site_packages),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    await _output_of(process)


async def _uv(folder: Path, *arguments: str) -> None:
    """Run uv in ``folder``, so that the project in whose folder the operator stands has no say."""
    process = await asyncio.create_subprocess_exec(
        _program(), "--quiet", "--color", "never", "--no-progress", "--no-python-downloads", *arguments,
        cwd=folder, env=_environment(),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said = await _output_of(process)
    if process.returncode != 0:
        raise UvFailed(_on_one_line(said) or f"uv ended with exit code {process.returncode}")


async def _output_of(process: asyncio.subprocess.Process) -> str:
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return (said or b"").decode(errors="replace")


def _program() -> str:
    beside = Path(sys.executable).with_name("uv")
    if beside.is_file():
        return str(beside)
    try:
        return uv.find_uv_bin()
    except FileNotFoundError as missing:
        raise UvFailed(f"the program uv is not there ({missing}); install it: pip install uv") from missing


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_PASSED_ON and not name.startswith("SIGHTGATE_")
    }


def _on_one_line(said: str) -> str:
    lines = (line.strip() for line in said.splitlines())
    return ": ".join(line.removeprefix("error: ").removeprefix("cause: ") for line in lines if line)[:2_000]
