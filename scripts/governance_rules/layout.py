"""Which folders are governed, and which places are allowed what."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

GATE_PLACE = "server/app/plugins/runtime/tool_runner.py"
GATE_CLASS = "ToolRunner"
GATE_METHODS = ("run", "run_async")
METRICS_METHOD = "update_execution_metrics"
ENVELOPE_PLACE = "server/app/governance/error_envelope.py"
WORKER_CALL_PLACE = "sdk/src/sightgate/execution.py"
WORKER_CALLS = frozenset({"call_plugin", "call_plugin_batch"})
SDK_PLACE = "sdk/src/sightgate/"
RUN_METHODS = frozenset({"run", "run_async", "run_batch"})


@dataclass(frozen=True)
class Place:
    """Where a file stands. ``governed`` is false for a file outside Sightgate's own source folders.

    In a governed file the exact path decides what is allowed. In any other code base a class named ToolRunner is the
    gate, and a file named error_envelope.py builds the envelopes.
    """

    path: str
    governed: bool

    @property
    def is_gate(self) -> bool:
        return self.governed and self.path == GATE_PLACE

    @property
    def is_worker_call(self) -> bool:
        return self.governed and self.path == WORKER_CALL_PLACE

    @property
    def is_sdk(self) -> bool:
        return self.governed and self.path.startswith(SDK_PLACE)

    @property
    def may_build_envelopes(self) -> bool:
        if self.governed:
            return self.path == ENVELOPE_PLACE
        return PurePosixPath(self.path).name == PurePosixPath(ENVELOPE_PLACE).name

    def may_define_gate(self) -> bool:
        return self.is_gate or not self.governed


def governed_roots(root: Path) -> list[Path]:
    """Return the source folders that hold Sightgate's own code, of those that exist."""
    found = [root / "server" / "app", root / "sdk" / "src", *sorted(root.glob("plugins/*/src"))]
    return [folder for folder in found if folder.is_dir()]


def place_of(file: Path, root: Path) -> Place:
    """Return where a file stands, its path relative to ``root`` where it lies inside."""
    resolved, base = file.resolve(), root.resolve()
    inside = resolved.is_relative_to(base)
    shown = resolved.relative_to(base).as_posix() if inside else file.as_posix()
    return Place(shown, any(resolved.is_relative_to(folder.resolve()) for folder in governed_roots(root)))
