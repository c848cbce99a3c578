# One door for people and for CI. Each target does its own set-up; a second run starts at once.
# Needs git, make, python3 (3.11 or newer) with python3-venv. Never root.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two at a time where they wait for nothing of each other: the checks run while servers are fetched and built.
MAKEFLAGS += --jobs=2

PYTHON ?= python3
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never
# Without its bytecode the hub takes three times as long to start, in each of the hundred starts of the tests.
export UV_COMPILE_BYTECODE := 1
export PYTHONDONTWRITEBYTECODE :=
UV := $(BIN)/uv
# What the developer's environment holds serves the demo too.
DEMO_READY := $(if $(wildcard .venv/ready-dev),.venv/ready-dev,.venv/ready-demo)
SYNC = $(UV) pip sync --quiet --python $(BIN)/python --require-hashes
LINLI = $(UV) pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps --editable .
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
# pip takes a platform at its word and infers none that is older.
PI_PLATFORMS := $(patsubst %,--platform manylinux%_aarch64,_2_34 _2_28 _2_17 2014)

.PHONY: help setup demo test check docs format bench guarantees servers client lock wheels clean

help: ## Show the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: .venv/ready-dev servers ## Set everything up for development and tests

demo: $(DEMO_READY) ## Run broker, hub and a simulated community on loopback; Ctrl-C stops them
	@exec $(BIN)/linli-sim demo

test: check servers client ## Check, then run every test, real servers included
	LINLI_HYPOTHESIS_PROFILE=ci $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

check: .venv/ready-dev ## Lint, format, types, import contracts, generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	$(BIN)/python -m protocols.schemas "$$fresh/schemas"; $(BIN)/python -m hub.api.openapi "$$fresh/openapi.json"; \
	$(BIN)/python -m hub.settings_table "$$fresh/settings.md"; $(BIN)/python -m protocols.asyncapi "$$fresh/asyncapi.json"; \
	diff -r docs/schemas "$$fresh/schemas" && diff docs/openapi.json "$$fresh/openapi.json" && diff docs/settings.md "$$fresh/settings.md" \
	&& diff docs/asyncapi.json "$$fresh/asyncapi.json" \
	|| { echo "docs/ is not current; run: make docs" >&2; exit 1; }

docs: .venv/ready-dev ## Renew the generated documents
	$(BIN)/python -m protocols.schemas docs/schemas
	$(BIN)/python -m protocols.asyncapi docs/asyncapi.json
	$(BIN)/python -m hub.api.openapi docs/openapi.json
	$(BIN)/python -m hub.settings_table docs/settings.md

format: .venv/ready-dev ## Format and mend what can be mended
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: .venv/ready-dev servers ## Measure, each figure beside its floor
	$(BIN)/python -m tests.benchmarks

guarantees: .venv/ready-dev servers ## Show each guarantee with its seed and its control, on a machine that does nothing else
	$(BIN)/python -m tests.guarantees

servers: .venv/ready-dev ## Find, fetch or build the real servers of the tests
	@$(BIN)/python -m simulators.servers

client: .cache/client/ready ## Install the tool that makes a client of docs/openapi.json, apart from .venv

lock: .venv/ready-dev ## Renew requirements/*.txt from pyproject.toml
	$(COMPILE) --upgrade --extra dev pyproject.toml -o requirements/dev.txt
	for extra in demo hub postgres edge sim; do $(COMPILE) --extra $$extra -c requirements/dev.txt pyproject.toml -o requirements/$$extra.txt; done
	$(COMPILE) -c requirements/dev.txt requirements/bootstrap.in -o requirements/bootstrap.txt
	$(COMPILE) --upgrade requirements/client.in -o requirements/client.txt

wheels: .venv/ready-bootstrap ## Show that a 64-bit Raspberry Pi gets edge and hub as ready wheels; asks the package index
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; for python in 3.11 3.13; do \
	$(UV) pip compile --quiet --extra gpio --extra serial --python-version $$python --python-platform aarch64-manylinux_2_34 --only-binary :all: \
	  --generate-hashes --no-emit-index-url --no-header -c requirements/edge.txt pyproject.toml -o "$$folder/edge+gpio+serial.txt"; \
	for list in requirements/edge.txt "$$folder/edge+gpio+serial.txt" requirements/hub.txt requirements/postgres.txt; do \
	  name=$$(basename "$$list" .txt); into="$$folder/$$python/$$name"; \
	  $(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary=:all: \
	    --implementation cp --python-version $$python $(PI_PLATFORMS) --dest "$$into" -r "$$list"; \
	  echo "Python $$python, $$name: $$(ls "$$into" | wc -l) wheels, $$(du -s --block-size=kB --apparent-size "$$into" | cut -f1)"; \
	done; done

clean: ## Remove the environment and what tools left; the cache of servers stays
	rm -rf .venv dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.cache/*' -prune -exec rm -rf {} +

.venv/ready-bootstrap: requirements/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit("Linli needs Python 3.11 or newer; this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/pip || $(PYTHON) -m venv .venv || { echo "python3 cannot make virtual environments; install it: sudo apt-get install -y python3-venv" >&2; exit 1; }
	@echo "Setting up .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	@touch $@

# Without it one test is skipped by name, and nothing else is missing.
.cache/client/ready: requirements/client.txt .venv/ready-bootstrap
	@mkdir -p .cache
	@$(UV) venv --quiet --clear --python $(BIN)/python .cache/client \
	&& $(UV) pip sync --quiet --python .cache/client/bin/python --require-hashes requirements/client.txt \
	&& touch $@ || echo "openapi-python-client could not be installed; its test will be skipped" >&2

.venv/ready-demo: .venv/ready-bootstrap requirements/demo.txt pyproject.toml
	@$(SYNC) requirements/bootstrap.txt requirements/demo.txt
	@$(LINLI)
	@touch $@

.venv/ready-dev: .venv/ready-bootstrap requirements/dev.txt pyproject.toml
	@$(SYNC) requirements/bootstrap.txt requirements/dev.txt
	@$(LINLI)
	@touch $@
