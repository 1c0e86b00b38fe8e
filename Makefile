# Every target sets up what it needs in .venv; a second run is quick.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.set-up
PACKAGES := sdk server $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
EDITABLE := $(foreach package,$(PACKAGES),--editable $(package))

# The page: built by Node where it is, into the server's package.
PAGE := server/app/page/index.html
PAGE_LIBRARIES := web-ui/node_modules/.set-up
PAGE_SOURCES := $(shell find web-ui -path web-ui/node_modules -prune -o -type f -print)
NODE_IS_HERE = command -v npm >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null
# What a target does for the page: $(1) where Node is; where it is not, the page is left out with one loud line, or a failure in CI.
define with_node
if $(NODE_IS_HERE); then $(1); \
elif [ "$$SIGHTGATE_TESTS_MUST_NOT_SKIP" = 1 ]; then echo "$(2): Node.js 20.19 or newer with npm is missing, and nothing may be skipped here" >&2; exit 1; \
else echo "!!! $(2): Node.js 20.19 or newer with npm is missing; all else works without it !!!"; fi
endef

# Where the environment forbids bytecode, every process of the tests would compile anew all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# Never leave a half-written target.
.DELETE_ON_ERROR:
.PHONY: help setup page page-where-node-is run test soak check screenshots bench bench-quick bench-peers bench-jobs bench-scaling bench-page \
	audit openapi lock clean

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

$(PAGE_LIBRARIES): web-ui/package.json web-ui/package-lock.json
	@$(NODE_IS_HERE) || { echo "the page is built by Node.js 20.19 or newer with npm, which is missing"; exit 1; }
	@echo "setting up web-ui/node_modules"
	@cd web-ui && npm ci --silent --no-audit --no-fund
	@touch $@

$(PAGE): $(PAGE_LIBRARIES) $(PAGE_SOURCES)
	@echo "building the page"
	@cd web-ui && npm run --silent build -- --logLevel warn
	@touch $@

page: $(PAGE) ## build the page that the server answers at /; needs Node.js
	@:

page-where-node-is:
	@$(call with_node,$(MAKE) --no-print-directory page,THE PAGE IS NOT BUILT)

run: setup page-where-node-is ## analyze a sample, then serve the page and the API until Ctrl-C
	@$(BIN)/python -m scripts.run

test: setup page-where-node-is ## all tests
	@$(call with_node,cd web-ui && npm test --silent,THE PAGE IS NOT TESTED)
	@# One more than the cores of a small machine, for much of a test is waiting; in the order of testpaths.
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

soak: setup ## servers, workers and databases killed, buckets stopped, while clients act; options: ARGS="--minutes 30 --on postgres --seed X"
	PYTHONPATH=server/tests $(BIN)/python -m kill.soak $(ARGS)

check: setup ## lint, types, import contracts, scanner
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file mypy-tests.toml
	$(BIN)/lint-imports
	$(BIN)/python scripts/scan_execution_violations.py
	@$(call with_node,$(MAKE) --no-print-directory $(PAGE_LIBRARIES) && cd web-ui && npm run --silent check,THE PAGE IS NOT CHECKED)

bench: bench-quick bench-peers ## both of the following: about 20 minutes

bench-quick: setup ## the cost of the gate, of a worker call and of HTTP, beside plain FastAPI
	$(BIN)/python -m benchmarks

bench-peers: setup ## beside other servers, into docs/benchmarks.md; options: ARGS="--rounds 1 --only litserve"
	$(BIN)/python -m benchmarks.peers $(ARGS)

bench-jobs: setup ## durable jobs beside job queues, into docs/benchmarks-jobs.md; options: ARGS="--quick"
	$(BIN)/python -m benchmarks.jobs $(ARGS)

bench-scaling: setup ## what more workers bring, and what a very large image does to other calls
	$(BIN)/python -m benchmarks.scaling $(ARGS)

bench-page: setup page ## frame times of panning 5,000 boxes on 24 megapixels in the page; needs Chromium
	PYTHONPATH=server/tests $(BIN)/python -m benchmarks.panning

screenshots: setup page ## make docs/screenshots anew: each view of the page, light and dark; needs Chromium
	PYTHONPATH=server/tests $(BIN)/python -m scripts.screenshots $(ARGS)

audit: setup ## write docs/governance-audit.md: each invariant and what proves it
	$(BIN)/python scripts/governance_audit.py

openapi: setup ## write web-ui/openapi.json, and the page's client from it (needs Node.js)
	$(BIN)/python -m scripts.write_openapi
	cd web-ui && npm run --silent client

lock: setup ## resolve the dependencies anew
	cd requirements && ../$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --output-file uv.txt uv.in
	cd requirements && ../$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --override overrides.txt --constraint uv.txt --no-emit-package sightgate \
		--output-file lock.txt dev.in ../server/pyproject.toml ../sdk/pyproject.toml $(foreach package,$(wildcard plugins/*/pyproject.toml),../$(package))

clean: ## remove .venv, the built page and what the tools keep
	rm -rf .venv web-ui/node_modules server/app/page .bench .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
