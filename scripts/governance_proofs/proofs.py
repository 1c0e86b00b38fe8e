"""One piece of evidence for an invariant, and what all of it together says."""

from dataclasses import dataclass
from typing import Protocol

from .invariants import Invariant


@dataclass(frozen=True)
class Proof:
    """What is named as evidence, whether it was seen to hold, and what was seen."""

    what: str
    holds: bool
    seen: str


class Evidence(Protocol):
    """Where evidence of one kind comes from: tests, scanner rules or import contracts."""

    def proof(self, name: str) -> Proof: ...


@dataclass(frozen=True)
class Verdict:
    """An invariant and all of its evidence."""

    invariant: Invariant
    proofs: tuple[Proof, ...]

    @property
    def is_proven(self) -> bool:
        """All named evidence held, and there was some."""
        return bool(self.proofs) and all(proof.holds for proof in self.proofs)


def judge(invariant: Invariant, tests: Evidence, rules: Evidence, contracts: Evidence) -> Verdict:
    """Gather an invariant's evidence."""
    named = [(tests, invariant.tests), (rules, invariant.rules), (contracts, invariant.contracts)]
    return Verdict(invariant, tuple(evidence.proof(name) for evidence, names in named for name in names))
