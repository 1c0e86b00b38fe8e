"""The rules and what a broken one looks like."""

from dataclasses import dataclass
from enum import StrEnum


class Rule(StrEnum):
    """A rule's permanent id."""

    DIRECT_RUN = "SG001"
    UNRESOLVED_RUN = "SG002"
    RUN_BY_NAME = "SG003"
    WORKER_CALL = "SG004"
    GATE_MISSING = "SG101"
    GATE_SIGNATURE = "SG102"
    NO_FINALLY = "SG103"
    NO_METRICS = "SG104"
    SECOND_GATE = "SG105"
    ENVELOPE_BY_HAND = "SG201"


SENTENCES: dict[Rule, str] = {
    Rule.DIRECT_RUN: "only the gate calls a plugin's run",
    Rule.UNRESOLVED_RUN: "whose run is called must be known: annotate it, or go through the gate",
    Rule.RUN_BY_NAME: "only the gate takes a plugin's run, by its name in a string too",
    Rule.WORKER_CALL: "only the SDK's worker and check kit make the worker's own call of a plugin",
    Rule.GATE_MISSING: "there is a class ToolRunner with run and run_async",
    Rule.GATE_SIGNATURE: "run and run_async take (self, plugin_name: str, payload: dict) and return tuple[dict, dict]",
    Rule.NO_FINALLY: "the gate calls a plugin inside a try that has a finally",
    Rule.NO_METRICS: "the gate's finally calls update_execution_metrics, on every path through it",
    Rule.SECOND_GATE: "there is one ToolRunner and nothing inherits from it",
    Rule.ENVELOPE_BY_HAND: "only build_error_envelope makes an error envelope",
}


@dataclass(frozen=True, order=True)
class Finding:
    """One broken rule: where, which, and what was found there."""

    path: str
    line: int
    rule: Rule
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule} {self.message}"
