# Everything runs in .venv, which is made on first use and left alone afterwards.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Trainings and tests start many Python processes: where bytecode may not be kept, each would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

# uv reads none of pip's settings; its own are ignored where they would change which files the hashes are checked against.
UV = $$(command -v uv || echo $(BIN)/uv)
SYNC = env -u UV_FIND_LINKS VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --compile-bytecode --require-hashes
EDITABLE = env -u UV_FIND_LINKS VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps -e .

help: ## this list
	@echo "targets (armature $$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)):"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

install: $(VENV)/.dev ## the environment, with the tools for tests

train: $(VENV)/.runtime ## train: the default experiment; ARGS="key=value ..." changes it
	$(BIN)/armature train $(ARGS)

test: $(VENV)/.dev ## tests: the fast part, then the slow one
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not slow and not slurm and not long" $(ARGS)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist worksteal -m "slow and not slurm and not long" $(ARGS) || [ $$? = 5 ]  # 5: none

test-long: $(VENV)/.dev ## tests that take many minutes: a throw-away SLURM cluster, whole sweeps, runs killed again and again
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "slurm or long" $(ARGS)

lint: $(VENV)/.dev ## ruff: rules and format
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests

types: $(VENV)/.dev ## mypy over src
	$(BIN)/mypy

bench: $(VENV)/.dev ## measure: how fast each part of a training step is, and the evaluation
	$(BIN)/python -m armature.bench $(ARGS)

requirements: $(VENV)/.dev ## pin: newest versions that satisfy pyproject.toml, with hashes and without addresses
	rm -f requirements.txt requirements-dev.txt
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt
	! grep -nE '://|^--' requirements.txt requirements-dev.txt

clean: ## remove the environment, caches and build products (runs/ stays)
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

COMPILE = env -u UV_FIND_LINKS $(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate --no-header

# Stamps: what was installed from which file. `make train` needs no test tools, so they are a second step.
$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "armature needs Python 3.10 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	       "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	@if command -v uv >/dev/null; then uv venv --quiet --allow-existing --python $(PYTHON) $(VENV); \
	else $(PYTHON) -m venv $(VENV) || { \
	  echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv; fi
	@touch $@

$(VENV)/.runtime: requirements.txt pyproject.toml | $(VENV)/.uv
	@echo "installing what training needs into $(VENV) ..."
	@$(SYNC) -r requirements.txt
	@$(EDITABLE)
	@touch $@

$(VENV)/.dev: requirements-dev.txt pyproject.toml | $(VENV)/.uv
	@echo "installing what training and tests need into $(VENV) ..."
	@$(SYNC) -r requirements-dev.txt
	@$(EDITABLE)
	@touch $(VENV)/.runtime $@

.PHONY: help install train test test-long lint types bench requirements clean
