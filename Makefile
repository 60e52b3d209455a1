# easiedge: `make run` installs and prunes a network; `make test` installs and tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
SOURCES := pyproject.toml constraints.txt
export WANDB_MODE ?= offline

.DEFAULT_GOAL := help
.PHONY: help run test test-slow notebooks lint format bench clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("easiedge needs Python 3.11 or newer, not " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): $(SOURCES) | $(BIN)/python
	@echo "installing easiedge and torch into $(VENV): a few minutes the first time"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(DEV_STAMP): $(SOURCES) | $(BIN)/python
	@echo "installing easiedge, torch and the test tools into $(VENV): a few minutes the first time"
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,export,openvino,arm,optuna,workspace,peers]'
	@touch $@ $(RUN_STAMP)

run: $(RUN_STAMP) ## install, then the main job: prune a network for handwritten digits
	$(BIN)/easiedge prune

test: $(DEV_STAMP) ## install with the test dependencies, then the fast tests
	$(BIN)/python -m pytest -q -n 2 -m 'not slow'

test-slow: $(DEV_STAMP) ## the slow tests: every torchvision network at several shares, end-to-end figures
	$(BIN)/python -m pytest -q -m slow

notebooks: $(DEV_STAMP) ## run every notebook from a clean kernel
	$(BIN)/python -m pytest -q -m slow tests/test_notebooks.py

lint: $(DEV_STAMP) ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV_STAMP) ## format the code
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

clean: ## remove the environment and what was built
	rm -rf $(VENV) build dist *.egg-info
