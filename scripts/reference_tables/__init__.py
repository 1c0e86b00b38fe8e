"""The tables of the reference, each made from the code that it describes."""

from collections.abc import Callable, Mapping

from reference_tables.cli import commands
from reference_tables.error_codes import error_codes
from reference_tables.manifest import limits, manifest, members, permissions, plugin_row
from reference_tables.metrics import metrics
from reference_tables.routes import routes
from reference_tables.settings import operator_file, settings

TABLES: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "operator-file": operator_file,
    "error-codes": error_codes,
    "routes": routes,
    "metrics": metrics,
    "commands": commands,
    "members": members,
    "manifest": manifest,
    "limits": limits,
    "permissions": permissions,
    "plugin-row": plugin_row,
}
