# Every target sets up what it needs in .venv; a second run is quick.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.set-up
PACKAGES := sdk server $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
EDITABLE := $(foreach package,$(PACKAGES),--editable $(package))

.DEFAULT_GOAL := help
.PHONY: help setup run test check bench bench-quick bench-peers bench-scaling audit openapi lock clean

help: ## what there is to do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(STAMP): requirements/lock.txt requirements/uv.txt $(foreach package,$(PACKAGES),$(package)/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Sightgate needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "setting up .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@VIRTUAL_ENV=.venv $(BIN)/uv pip sync --quiet --require-hashes requirements/lock.txt requirements/uv.txt
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --no-deps --no-build-isolation $(EDITABLE)
	@touch $@

setup: $(STAMP) ## make .venv, in which bin/sightgate is the CLI

run: setup ## analyze a sample, then serve the API until Ctrl-C
	@$(BIN)/python -m scripts.run

test: setup ## all tests
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: setup ## lint, types, import contracts, scanner
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/scan_execution_violations.py

bench: bench-quick bench-peers ## both of the following: about 20 minutes

bench-quick: setup ## the cost of the gate, of a worker call and of HTTP, beside plain FastAPI
	$(BIN)/python -m benchmarks

bench-peers: setup ## beside other servers, into docs/benchmarks.md; options: ARGS="--rounds 1 --only litserve"
	$(BIN)/python -m benchmarks.peers $(ARGS)

bench-scaling: setup ## what more workers bring, and what a very large image does to other calls
	$(BIN)/python -m benchmarks.scaling $(ARGS)

audit: setup ## write docs/governance-audit.md: each invariant and what proves it
	$(BIN)/python scripts/governance_audit.py

openapi: setup ## write web-ui/openapi.json, and the page's client from it (needs Node.js)
	$(BIN)/python -m scripts.write_openapi
	cd web-ui && npm run --silent client

lock: setup ## resolve the dependencies anew
	cd requirements && ../$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --override overrides.txt --no-emit-package sightgate \
		--output-file lock.txt dev.in ../server/pyproject.toml ../sdk/pyproject.toml $(foreach package,$(wildcard plugins/*/pyproject.toml),../$(package))
	cd requirements && ../$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --output-file uv.txt uv.in

clean: ## remove .venv and what the tools keep
	rm -rf .venv .bench .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
