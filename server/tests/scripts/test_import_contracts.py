"""Each import contract is kept by the code as it is, and broken by an import that must break it."""

import copy
import importlib
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
from importlinter import Contract
from importlinter.api import read_configuration
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

ROOT = Path(__file__).parents[3]
CONFIGURATION = read_configuration(str(ROOT / ".importlinter"))
CONTRACTS = {options["id"]: options for options in CONFIGURATION["contracts_options"]}
TYPES: dict[str, type[Contract]] = {
    "forbidden": ForbiddenContract,
    "independence": IndependenceContract,
    "layers": LayersContract,
    "protected": ProtectedContract,
}
FORBIDDEN = [
    ("whole-server", "app.storage.store", "app.plugins.loader.plugin_registry"),
    ("whole-server", "app.services.analysis_service", "app.api.schemas"),
    ("whole-server", "app.outbound.client", "app.storage.blobs"),
    ("whole-server", "app.newcomer", "app.governance.errors"),
    ("doors-to-storage", "app.services.job_management_service", "app.services.execution.seats"),
    ("doors-to-storage", "app.storage.store", "app.services.job_management_service"),
    ("execution-to-workers", "app.plugins.loader.plugin_registry", "app.plugins.runtime.tool_runner"),
    ("execution-to-workers", "app.plugins.sandbox.pool", "app.plugins.loader.plugin_registry"),
    ("governance-imports", "app.governance.validation", "sightgate.worker"),
    ("governance-imports", "app.governance.validation", "sightgate"),
    ("governance-imports", "app.governance.validation", "app.observability.logs"),
    ("observability-imports", "app.observability.metrics", "app.plugins.loader.plugin_registry"),
    ("wiring-importers", "app.api.routes.jobs", "app.wiring"),
    ("settings-importers", "app.services.analysis_service", "app.settings"),
    ("sdk-imports", "sightgate.plugin", "numpy"),
    ("sdk-imports", "sightgate.image", "PIL"),
    ("sdk-imports", "sightgate.worker", "app.governance.errors"),
    ("plugins-import-the-sdk", "sightgate_ocr", "app.settings"),
    ("plugins-are-independent", "sightgate_ocr", "sightgate_quality"),
    ("libraries-beneath", "app.plugins.runtime.tool_runner", "fastapi"),
    ("libraries-beneath", "app.governance.validation", "sqlalchemy"),
    ("database-library", "app.services.job_management_service", "sqlalchemy"),
    ("database-library", "app.services.webhook_service", "obstore"),
    ("way-out", "app.api.routes.jobs", "app.outbound.client"),
    ("way-out", "app.plugins.sandbox.pool", "app.outbound.client"),
    ("http-client", "app.services.webhook_service", "httpx"),
    ("web-library", "app.services.analysis_service", "starlette"),
]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    roots = CONFIGURATION["session_options"]["root_packages"]
    return grimp.build_graph(*roots, include_external_packages=True, cache_dir=None)


def is_kept(contract: str, graph: grimp.ImportGraph, monkeypatch: pytest.MonkeyPatch) -> bool:
    options = CONTRACTS[contract]
    monkeypatch.syspath_prepend(ROOT / "scripts")
    own = {"standard_library_only": importlib.import_module("governance_rules.import_contracts").StandardLibraryOnly}
    contract_type = {**TYPES, **own}[options["type"]]
    made = contract_type(options["name"], CONFIGURATION["session_options"], options)
    return made.check(copy.deepcopy(graph), verbose=False).kept


@pytest.mark.parametrize(("contract", "importer", "imported"), FORBIDDEN)
def test_a_forbidden_import_breaks_its_contract(graph, monkeypatch, contract, importer, imported):
    assert is_kept(contract, graph, monkeypatch)
    changed = copy.deepcopy(graph)
    changed.add_import(importer=importer, imported=imported, line_number=1, line_contents=f"import {imported}")
    assert not is_kept(contract, changed, monkeypatch)


def test_every_contract_is_kept_here():
    script = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    command = [sys.executable, "-c", script, "--no-logo", "--no-cache"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert ran.returncode == 0, ran.stdout


def test_every_contract_has_an_import_that_breaks_it():
    assert set(CONTRACTS) == {contract for contract, _, _ in FORBIDDEN}


def test_every_bundled_plugin_is_held_by_the_contracts():
    packages = {path.name for path in ROOT.glob("plugins/*/src/*") if (path / "__init__.py").is_file()}
    assert packages <= set(CONFIGURATION["session_options"]["root_packages"])
    assert packages == set(CONTRACTS["plugins-import-the-sdk"]["source_modules"])
    assert packages == set(CONTRACTS["plugins-are-independent"]["modules"])
