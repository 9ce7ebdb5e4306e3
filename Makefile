# NormLab: `make` lists what there is. Every target works from a fresh clone; `setup` comes first by itself.
SHELL  := /bin/bash
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
TOOLS  := $(VENV)/.tools-installed
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --verify-hashes --constraint requirements.lock --requirement pyproject.toml
# The extras of pyproject.toml: what using it needs, and what working on it needs besides.
USE    := --extra build --extra worker
WORK   := --extra dev --extra parity
# A .venv that a Ctrl-C left half made, of another directory, or whose Python is gone or too old, is made anew.
WHOLE  := grep -qsF "$$(pwd -P)/$(VENV)" $(VENV)/pyvenv.cfg && $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
ifneq ($(wildcard $(STAMP)),)
$(shell $(WHOLE) || rm -f $(STAMP) $(TOOLS))
endif
# Bytecode is kept whatever the shell says: the services and the tests start hundreds of processes.
unexport PYTHONDONTWRITEBYTECODE
pinned  = $(shell sed -n 's/^\($(1)==[^ ;]*\).*/\1/p' requirements.lock)

.DEFAULT_GOAL := help
.PHONY: help
help:  ## list the targets
	@awk '/^##@/ { print substr($$0, 5) } /^[a-z-]+:.*## / { split($$0, part, /:.*## /); printf "  make %-14s %s\n", part[1], part[2] }' Makefile

##@ Use

.PHONY: setup
setup: $(STAMP)  ## make .venv from requirements.lock

# torch comes by pip, alone, so that a CPU build on disk is taken where there is one; what it needs follows from its own metadata.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else f"NormLab wants Python 3.11 or newer; this is {v[0]}.{v[1]}. Name another: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	@$(WHOLE) || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps $(call pinned,uv)
	$(BIN)/python -c 'import torch, sys; sys.exit("torch==" + torch.__version__.split("+")[0] != "$(call pinned,torch)")' 2>/dev/null || $(BIN)/python -m pip install --no-deps $(call pinned,torch)
	$(INSTALL) $(USE)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(TOOLS): $(STAMP)
	$(INSTALL) $(USE) $(WORK)
	@touch $@

.PHONY: demo
demo: $(STAMP)  ## train the demo study (about two minutes), print what it shows, leave the results in ./var
	$(BIN)/normlab demo

.PHONY: up
up: $(STAMP)  ## serve the API, the dashboard and one worker over ./var until Ctrl-C
	$(BIN)/normlab up

##@ Work on it

# Threads that wait for each other sleep: more processes than cores would spend half their time spinning.
.PHONY: test
test: $(TOOLS)  ## every test that this machine can run
	OMP_WAIT_POLICY=passive $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: test-gpu
test-gpu: $(TOOLS)  ## the tests that need a GPU
	$(BIN)/python -m pytest -m gpu

.PHONY: test-compose
test-compose: $(TOOLS)  ## build the images, bring the compose stack up, use it, restart it, take it down
	$(BIN)/python -m pytest -m compose tests/deploy --timeout 1800

.PHONY: bench-trainer
bench-trainer: $(TOOLS)  ## the trainer's time per step against a bare loop; time from submission to the first step
	$(BIN)/python -m tests.benchmarks.trainer

.PHONY: bench-kernels
bench-kernels: $(TOOLS)  ## lncore against torch: forward, backward, both; writes docs/benchmarks.md
	$(BIN)/python -m tests.benchmarks.kernels

.PHONY: pictures
pictures: $(TOOLS)  ## every page as a picture, light and dark, wide and narrow, in ./var/pictures
	$(BIN)/python -m tests.browser.pictures var/pictures

.PHONY: generate
generate: $(TOOLS)  ## write what is made from the code: catalog, examples, openapi, variant table, README's tree
	$(BIN)/python -m worker.generate
	$(BIN)/python -m tests.api.examples
	$(BIN)/python -m api.openapi
	$(BIN)/python -m lncore.table
	$(BIN)/python -m tests.readme

.PHONY: format
format: $(TOOLS)  ## format the code
	$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

.PHONY: check
check: $(TOOLS)  ## lint, format, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

# uv writes hashes for everything; torch's are taken out, since with a hash pip would insist on one build of it.
.PHONY: lock
lock: $(TOOLS)  ## resolve requirements.lock anew against the package index
	$(BIN)/uv pip compile pyproject.toml $(USE) $(WORK) --universal --python-version 3.11 --generate-hashes --quiet \
	  --custom-compile-command 'make lock' --output-file requirements.lock
	$(BIN)/python -m tests.deploy.lock requirements.lock

.PHONY: clean
clean:  ## remove what `setup`, the tests and the linters made; results in ./var stay
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
