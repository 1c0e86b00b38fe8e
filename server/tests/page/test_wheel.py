"""The page travels in the package: who installs it needs no Node.js."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from app.api.page_files import BUILT

SERVER = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The server's wheel, built as a release is."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    built = subprocess.run(command, cwd=SERVER, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_carries_every_file_of_the_built_page(wheel: zipfile.ZipFile):
    carried = set(wheel.namelist())
    wanted = {f"app/page/{path.relative_to(BUILT).as_posix()}" for path in BUILT.rglob("*") if path.is_file()}
    assert {"app/page/index.html", "app/page/favicon.svg"} <= wanted
    assert wanted - carried == set()


def test_a_server_from_the_wheel_alone_has_the_page(wheel: zipfile.ZipFile, tmp_path: Path):
    wheel.extractall(tmp_path)
    asked = (
        "import asyncio, app.api.page_files as files\n"
        "print(files.BUILT)\n"
        "print(asyncio.run(files.PageFiles().find('index.html')) is not None)\n"
    )
    environment = {"PYTHONPATH": str(tmp_path), "PATH": ""}
    ended = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [str(tmp_path / "app" / "page"), "True"]
