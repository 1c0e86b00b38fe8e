"""A Python with the server in it that every user of this machine can reach, wherever the tests' own one lies."""

import os
import shutil
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

import sightgate
from app.plugins.sandbox.confinement import BASE_INTERPRETER, reachable_by_all

_SERVER = Path(__file__).resolve().parents[2]
_UNNEEDED = ("site-packages", "test", "idlelib", "tkinter", "__pycache__", "ensurepip", "lib2to3", "turtledemo")
# What `sightgate` on the path does.
COMMAND = ("-c", "import sys; from app.cli import main; sys.exit(main())")


def make_python(folder: Path) -> Path:
    """Make a virtual environment in ``folder``, which every user can reach, and return its interpreter."""
    base = Path(BASE_INTERPRETER)
    if not reachable_by_all(base):
        base = _copy_of_base(folder / "base")
    environment = folder / "environment"
    subprocess.run([base, "-I", "-m", "venv", "--without-pip", "--symlinks", environment], check=True)
    packages = next((environment / "lib").glob("python*/site-packages"))
    # The SDK is what a worker needs. The server is root, and may read all else where it lies.
    shutil.copytree(Path(sightgate.__file__).parent, packages / "sightgate")
    others = [*site.getsitepackages(), str(_SERVER)]
    (packages / "others.pth").write_text("".join(f"{path}\n" for path in others))
    return environment / "bin" / "python"


def _copy_of_base(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    shutil.copytree(library, folder / "lib" / library.name, ignore=shutil.ignore_patterns(*_UNNEEDED))
    copied = folder / "bin" / f"python3.{sys.version_info.minor}"
    shutil.copy2(os.path.realpath(BASE_INTERPRETER), copied)
    return copied
