"""What a plugin is granted of what it asks for, and what keeps it from running."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.governance.isolation import Isolation
from app.plugins.sandbox.confinement import Confinement
from app.services.operator_file import OperatorSay
from sightgate.manifest import Manifest


@dataclass(frozen=True, slots=True)
class RunningRules:
    """What holds for all plugins here: the name of the file in which permissions are granted, and the confinement."""

    operator_file: str
    confinement: Confinement


def granted_of(manifest: Manifest, say: OperatorSay) -> dict[str, Any]:
    """Return what is granted of what the plugin asks for; what it does not ask for, it does not get."""
    granted: dict[str, Any] = {}
    for kind, asked in manifest.permissions.items():
        given = say.grant.get(kind)
        if isinstance(asked, list):
            granted[kind] = [item for item in asked if item in (given or ())]
        else:
            granted[kind] = bool(asked and given)
    return granted


def obstacle_of(
    manifest: Manifest, granted: Mapping[str, Any], isolation: Isolation, rules: RunningRules
) -> tuple[str, str] | None:
    """Return the reason and the code that keep a plugin from running, or None."""
    missing = [kind for kind, asked in manifest.permissions.items() if not _covers(granted.get(kind), asked)]
    if missing:
        where = f"{rules.operator_file} under [{manifest.name}.grant]"
        return f"it asks for {', '.join(missing)}; grant it in {where}", "permission_not_granted"
    if granted.get("processes") and rules.confinement.cgroups is None:
        said = "it is granted processes, but no control group here could end them all; run the server where one can"
        return said, "permission_not_granted"
    if short := isolation.short_of(rules.confinement.least_isolation, granted):
        return short, "plugin_unavailable"
    return None


def _covers(granted: object, asked: object) -> bool:
    return granted == asked if isinstance(asked, list) else bool(granted) or not asked
