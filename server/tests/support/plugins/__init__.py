"""The small plugins that tests put into a server's plugin folder, each a source file beside this one."""

import shutil
from pathlib import Path

HERE = Path(__file__).parent
BROKEN = HERE.parents[1] / "fixtures" / "broken"
WELL_BEHAVED = ("answering", "slow", "typed", "neighbour", "steps", "_helper")
MISBEHAVING = ("ending", "raising", "printing", "spawning", "forging", "snooping", "outputs", "lying")
NOT_LOADABLE = (
    "asking",
    "ends_at_import",
    "missing_module",
    "no_plugin_here",
    "raises_at_import",
    "syntax_error",
    "twin_one",
    "twin_two",
    "wrong_limits",
)


def write_plugins(folder: Path, *names: str) -> None:
    """Copy the named plugin files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_plugin(folder, name)


def write_plugin(folder: Path, name: str) -> None:
    """Copy one plugin file into a folder."""
    source = HERE / f"{name}.py"
    shutil.copy(source if source.is_file() else BROKEN / f"{name}.py", folder)
