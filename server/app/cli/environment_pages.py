"""What commands show of plugins' own environments, to people and to programs."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.cli.backend import JsonObject
from app.cli.text import clean
from app.plugins.loader.environments import Environment, InstalledDistribution, UnusableEnvironment
from app.services.plugin_installation_service import Change
from sightgate.errors import counted

COPYLEFT = "GPL or AGPL"


def environment_table(rows: Sequence[Environment | UnusableEnvironment]) -> RenderableType:
    """Return all environments, one a line."""
    if not rows:
        return Text("no plugin has an environment of its own; sightgate plugins install makes one")
    table = _table("environment", "version", "plugins", "distributions", "asked for, or why it cannot be used")
    for row in rows:
        if isinstance(row, UnusableEnvironment):
            table.add_row(clean(row.name), "", "", "", Text(clean(str(row)), "red"))
            continue
        held = row.report
        plugins, count = ", ".join(sorted(held.plugins)), str(len(held.distributions))
        table.add_row(clean(held.distribution), clean(held.version), clean(plugins), count, clean(held.requirement))
    return table


def report_page(environment: Environment) -> RenderableType:
    """Return what one environment holds."""
    report = environment.report
    table = _table("distribution", "version", "licence", "")
    for row in report.distributions:
        table.add_row(clean(row.name), clean(row.version), clean(row.licence), COPYLEFT if row.copyleft else "")
    head = (
        f"{report.distribution} {report.version}, Python {report.python}, plugins: {', '.join(sorted(report.plugins))}"
    )
    return Group(Text(clean(head), "bold"), Text(str(environment.folder), "dim"), table)


def change_page(change: Change) -> RenderableType:
    """Return what was done."""
    report = change.now.report
    said = f"{report.distribution} {report.version}: {', '.join(sorted(report.plugins))}"
    if change.before is change.now:
        return Text(clean(f"nothing to do, this is in use already: {said}"))
    former = "" if change.before is None else f", instead of {change.before.report.version}"
    lines = [Text(clean(f"in use now: {said}{former}; {counted(len(report.distributions), 'distribution')}"))]
    copyleft = [f"{row.name} ({row.licence})" for row in report.distributions if row.copyleft]
    if copyleft:
        lines.append(Text(clean(f"under the {COPYLEFT}, as they say: {', '.join(copyleft)}"), "yellow"))
    return Group(*lines)


def change_data(change: Change) -> JsonObject:
    """Return what was done, as plain data."""
    changed = change.before is not change.now
    former = change.before.report.version if change.before is not None else None
    return {**report_data(change.now), "changed": changed, "former_version": former}


def row_data(row: Environment | UnusableEnvironment) -> JsonObject:
    """Return one environment as plain data; ``reason`` says why it cannot be used."""
    if isinstance(row, UnusableEnvironment):
        return {"distribution": row.name, "reason": str(row)}
    return {**report_data(row), "reason": None}


def report_data(environment: Environment) -> JsonObject:
    """Return what one environment holds, as plain data."""
    report = environment.report
    return {
        "distribution": report.distribution,
        "version": report.version,
        "requirement": report.requirement,
        "python": report.python,
        "plugins": sorted(report.plugins),
        "folder": str(environment.folder),
        "distributions": [_distribution_data(row) for row in report.distributions],
    }


def _distribution_data(row: InstalledDistribution) -> JsonObject:
    return {"name": row.name, "version": row.version, "licence": row.licence, "copyleft": row.copyleft}


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
