"""``python -I -S environment_worker.py PREFIX FD``: be a worker of the virtual environment in the folder PREFIX.

Run by the interpreter that the environment was made from, out of the server's own copy of the SDK. What a stranger's
packages put into the environment (start files such as ``*.pth`` and ``sitecustomize``, another ``python``, a package
that calls itself ``sightgate``) is neither run nor read before the sandbox stands; then the worker calls ``site.main``.
"""

import importlib
import runpy
import sys
from pathlib import Path


def main() -> None:
    """Become the worker; does not return."""
    prefix = Path(sys.argv.pop(1))
    sys.prefix = sys.exec_prefix = str(prefix)
    sys.executable = str(prefix / "bin" / "python")
    sys.path.insert(0, str(Path(__file__).parent.parent))
    importlib.import_module("sightgate")  # its modules are found by the package from now on
    del sys.path[0]  # else the server's other packages could be imported too
    runpy.run_module("sightgate.worker", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
