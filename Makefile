# Two commands: `make demo` and `make test`. Both make the environment first; a second run takes seconds.
# A bare Debian has neither a working venv module nor uv, so uv comes into .tools with pip (docs/adr/0002).
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
UV_VERSION := 0.13.9
UV := $(shell command -v uv 2>/dev/null || echo .tools/bin/uv)
VENV := .venv
BIN := $(VENV)/bin
ARGS ?= --keep
# Most tests wait for a server or a process of their own, so four at a time suit two cores.
PYTEST_ARGS ?= -n 6
export UV_COMPILE_BYTECODE := 1
# The environment of this project is .venv here, whatever environment the shell happens to be in.
unexport VIRTUAL_ENV

.PHONY: help demo test lint lock clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/'

demo: $(VENV)/.run ## the fire drill: the whole daemon against a simulated world (ARGS=--once ends by itself)
	$(BIN)/deliverd drill $(ARGS)

test: $(VENV)/.test ## every test, with the real servers it needs
	$(BIN)/python tests/peers/ensure.py
	$(BIN)/pytest tests/core tests/probes --cov --cov-report= $(PYTEST_ARGS)
	$(BIN)/pytest tests --ignore=tests/core --ignore=tests/probes $(PYTEST_ARGS)
	$(BIN)/python tests/coverage_floor.py

lint: $(VENV)/.test ## ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: .tools/bin/uv ## pin every dependency again, with hashes and without addresses
	$(UV) pip compile -q --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra test pyproject.toml -o requirements/test.txt
	$(UV) pip compile -q --upgrade --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -c requirements/test.txt pyproject.toml -o requirements/run.txt

clean: ## remove the environment and what it built
	rm -rf $(VENV) .tools .mypy_cache .ruff_cache .pytest_cache

.tools/bin/uv:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target .tools uv==$(UV_VERSION)

ifeq ($(UV),.tools/bin/uv)
NEEDS_UV := .tools/bin/uv
endif

$(VENV)/bin/python: | $(NEEDS_UV)
	$(UV) venv --quiet --python $(PYTHON) $(VENV)

# The test environment holds everything that the running one needs, so `make demo` never shrinks it.
$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@if [ ! -f $(VENV)/.test ]; then $(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/run.txt; fi
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.test: requirements/test.txt pyproject.toml | $(VENV)/bin/python
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/test.txt
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@ $(VENV)/.run
