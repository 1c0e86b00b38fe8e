"""The example package as somebody would use it: its tests, beside a server, and on an interpreter of its own."""

import io
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "examples" / "stranger-plugin"
COMMAND_LINE = "import sys; from app.cli import main; sys.exit(main(sys.argv[1:]))"
SHIM = "from spot_counter import Spots as _Spots\n\n\nclass Spots(_Spots):\n    pass\n"


def run(command: list[str | Path], folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTGATE_")}
    environment = {**kept, **variables}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter on which the package's wheel is installed; other packages are those of the tests' own."""
    folder = tmp_path_factory.mktemp("stranger")
    build = ["-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    built = run([sys.executable, *build], PACKAGE)
    assert built.returncode == 0, built.stderr
    venv.create(folder / "venv", symlinks=True)
    packages = next((folder / "venv" / "lib").glob("python*/site-packages"))
    (packages / "shared.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(packages)
    return folder / "venv" / "bin" / "python"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    image = PIL.Image.new("RGB", (200, 120), "black")
    PIL.ImageDraw.Draw(image).ellipse((50, 40, 70, 60), fill="white")
    file = io.BytesIO()
    image.save(file, "PNG")
    (tmp_path / "spot.png").write_bytes(file.getvalue())
    return tmp_path / "spot.png"


def count_in(ended: "subprocess.CompletedProcess[str]") -> int:
    assert ended.returncode == 0, ended.stdout + ended.stderr
    count: int = json.loads(ended.stdout)["result"]["count"]
    return count


def test_its_own_tests_pass():
    ended = run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"], PACKAGE, PYTHONPATH="src")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_installing_the_package_is_all_that_a_server_needs_to_offer_it(interpreter, picture, tmp_path):
    ended = run([interpreter, "-c", COMMAND_LINE, "analyze", picture, "--plugin", "spots", "--json"], tmp_path)
    assert count_in(ended) == 1


def test_it_runs_on_an_interpreter_of_its_own_where_the_server_lacks_the_package(interpreter, picture, tmp_path):
    for folder, name, text in (
        ("plugins", "spots.py", SHIM),
        ("data", "plugins.toml", f"[spots]\ninterpreter = {json.dumps(str(interpreter))}\n"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    analyze = [sys.executable, "-c", COMMAND_LINE, "analyze", picture, "--plugin", "spots", "--json"]
    ended = run([*analyze, "--plugins-dir", "plugins"], tmp_path, SIGHTGATE_INSTALLED_PLUGINS="false")
    assert count_in(ended) == 1
    assert run([sys.executable, "-c", "import spot_counter"], tmp_path).returncode == 1
