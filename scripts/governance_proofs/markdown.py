"""The audit's report as Markdown."""

import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from .proofs import Proof, Verdict


def report(verdicts: Sequence[Verdict], root: Path, now: datetime) -> str:
    """Return the report: a line an invariant, ticked only if all that is named to prove it held."""
    proven = sum(verdict.is_proven for verdict in verdicts)
    head = [
        "# Governance audit",
        "",
        f"Written by `make audit` at {now:%Y-%m-%d %H:%M} UTC{_commit(root)}. The invariants and what proves them are",
        "named in `scripts/governance_invariants.toml`. A tick means that all of it was run and held.",
        "",
        f"**{proven} of {len(verdicts)} invariants proven.**",
        "",
        "| | invariant | what proves it |",
        "|---|---|---|",
    ]
    return "\n".join([*head, *(_row(verdict) for verdict in verdicts), ""])


def _row(verdict: Verdict) -> str:
    mark = "✅" if verdict.is_proven else "❌"
    evidence = "<br>".join(_shown(proof) for proof in verdict.proofs) or "**nothing is named**"
    return f"| {mark} | {_cell(verdict.invariant.says)} | {evidence} |"


def _shown(proof: Proof) -> str:
    seen = proof.seen if proof.holds else f"**not proven: {proof.seen}**"
    return _cell(f"{proof.what}: {seen}")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _commit(root: Path) -> str:
    """Return which commit was audited, as far as git can tell."""
    try:
        head = _git(root, "rev-parse", "--short", "HEAD")
        changed = _git(root, "status", "--porcelain")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f", of commit {head}" + (" with uncommitted changes" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
