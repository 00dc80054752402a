# moatsim: `make` alone lists the targets.
# Needs python3 >= 3.11 with venv and pip. uv is used when it works, never required.

PYTHON ?= python3
VENV ?= .venv
RUNS ?= runs/baseline
EXTRAS := test,readers,notebook,app,dask

BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-run
TEST_STAMP := $(VENV)/.installed-test
# A venv belongs to one interpreter and one place; the stamps make it follow pyproject and constraints only.
RECIPE_FILES := pyproject.toml constraints.txt

# $(call install,REQUIREMENT): into the venv, at the versions of constraints.txt
define install
if uv --version >/dev/null 2>&1 && uv pip install --quiet --python $(BIN)/python -c constraints.txt -e "$(1)"; then :; \
else $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e "$(1)"; fi
endef

.DEFAULT_GOAL := help
.PHONY: help setup run test test-all test-extras notebook app lint bench docs readme clean
.NOTPARALLEL:
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(TEST_STAMP) ## build the virtual environment with everything, tests included

run: $(RUN_STAMP) ## project the baseline scenario, 20 replications; says where its figures and tables are
	@$(BIN)/moatsim run baseline --replications 20 --out $(RUNS)

test: $(TEST_STAMP) ## run the tests, long statistical checks on their fixed small sample
	$(BIN)/python -m pytest -n 2 -m "not statistical"

test-all: $(TEST_STAMP) ## run every test whole
	$(BIN)/python -m pytest -n 2 --full

test-extras: $(TEST_STAMP) ## install the optional packages and run the tests that need them
	@$(call install,.[$(EXTRAS)])
	$(BIN)/python -m pytest tests/extras tests/sweep/cluster_dask.py

notebook: $(RUN_STAMP) ## open the tutorial in Jupyter (installs Jupyter first)
	@$(call install,.[notebook])
	$(BIN)/python -m notebook analysis/notebooks/tutorial.ipynb

app: $(RUN_STAMP) ## open ten dials over the baseline in the browser (installs marimo first)
	@$(call install,.[app])
	$(BIN)/python -m marimo run analysis/notebooks/tuning.py

lint: $(TEST_STAMP) ## style, format and strict types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(TEST_STAMP) ## seconds per run and per phase, ns per decision, MB
	@$(BIN)/python -m analysis.bench

docs: $(RUN_STAMP) ## write the tables of docs/model.md anew from the code and the baseline
	@$(BIN)/python -m analysis.modeldoc

readme: $(RUN_STAMP) ## run the baseline and write figures, findings and score of the README anew
	@$(BIN)/python -m analysis.readme

clean: ## remove the virtual environments, caches and runs/
	rm -rf .venv* runs build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find sim analysis tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/python:
	@$(PYTHON) -c 'import sys' 2>/dev/null || \
	  { echo "moatsim needs Python 3.11 or newer, and '$(PYTHON)' does not start; try: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "moatsim needs Python 3.11 or newer, '$(PYTHON)' is $$($(PYTHON) -V 2>&1); try: make PYTHON=python3.11" >&2; exit 1; }
	@echo "creating $(VENV) with $$($(PYTHON) -V)" >&2
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "could not create $(VENV): '$(PYTHON)' lacks the venv module (Debian: apt install python3-venv)" >&2; exit 1; }

# Order-only on the interpreter: its link may be older or newer than the stamps without meaning anything.
$(RUN_STAMP): $(RECIPE_FILES) | $(BIN)/python
	@echo "installing moatsim into $(VENV) (about half a minute)" >&2
	@$(call install,.)
	@touch $@

$(TEST_STAMP): $(RECIPE_FILES) | $(BIN)/python
	@echo "installing moatsim with its test tools into $(VENV) (about half a minute)" >&2
	@$(call install,.[test])
	@touch $(RUN_STAMP) $@
