"""The table of invariants: what must hold, and what is named to prove it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


class BadTable(Exception):
    """The table of invariants is no TOML, or an entry of it is wrong."""


@dataclass(frozen=True)
class Invariant:
    """One thing that must hold, and its evidence: pytest node ids, scanner rules, ids of import contracts."""

    id: str
    says: str
    tests: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()


_FIELDS = frozenset({"id", "says", "tests", "rules", "contracts"})


def read_invariants(file: Path) -> tuple[Invariant, ...]:
    """Return the invariants of a TOML file. Raises BadTable naming the entry that is wrong."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadTable(f"{file.name}: {error}") from error
    entries = data.get("invariant", [])
    if not entries:
        raise BadTable(f"{file.name}: there is no [[invariant]]")
    invariants = tuple(_invariant(entry) for entry in entries)
    ids = [invariant.id for invariant in invariants]
    repeated = sorted({name for name in ids if ids.count(name) > 1})
    if repeated:
        raise BadTable(f"{file.name}: there are two invariants {repeated[0]!r}")
    return invariants


def _invariant(entry: dict[str, object]) -> Invariant:
    name, says = entry.get("id"), entry.get("says")
    if not isinstance(name, str) or not isinstance(says, str) or not name or not says:
        raise BadTable(f"an invariant needs an id and says: {entry!r:.80}")
    unknown = sorted(set(entry) - _FIELDS)
    if unknown:
        raise BadTable(f"{name}: there is no field {unknown[0]!r}")
    return Invariant(name, says, *(_names(entry, field) for field in ("tests", "rules", "contracts")))


def _names(entry: dict[str, object], field: str) -> tuple[str, ...]:
    value = entry.get(field, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadTable(f"{entry['id']}: {field} must be a list of strings")
    return tuple(value)
