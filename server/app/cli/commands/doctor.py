"""``sightgate doctor``."""

from dataclasses import asdict

import typer
from rich.table import Table
from rich.text import Text

from app.cli import output
from app.cli.doctor import examine
from app.cli.failures import FAILED
from app.cli.findings import Finding, Verdict
from app.cli.options import AsJson, DataDir, Host, PluginsDir, Port, settings_from
from app.cli.text import clean

_STYLES = {Verdict.OK: "green", Verdict.LACKING: "yellow", Verdict.MISSING: "red", Verdict.FACT: "dim"}


def doctor(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    plugins_dir: PluginsDir = None,
    as_json: AsJson = False,
) -> None:
    """Tell what is installed, what is missing, and the command that mends it. Exits 1 if `serve` could not start."""
    settings = settings_from(host=host, port=port, data_dir=data_dir, plugins_dir=plugins_dir)
    findings = list(examine(settings))
    if as_json:
        output.write_json({"findings": [asdict(finding) for finding in findings]})
    else:
        output.show(_table(findings))
    if any(finding.verdict is Verdict.MISSING for finding in findings):
        raise typer.Exit(FAILED)


def _table(findings: list[Finding]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for finding in findings:
        said = Text(clean(finding.said))
        if finding.mend:
            said.append(f"\n→ {clean(finding.mend)}", "bold")
        table.add_row(Text(finding.verdict.value, _STYLES[finding.verdict]), clean(finding.what), said)
    return table
