# Start with `make run`; see README.md.
PYTHON ?= python3
BIN := .venv/bin
SET_UP = $(PYTHON) infra/local/check_python.py && $(PYTHON) infra/local/set_up.py

# Variables of the command line reach the commands unchanged.
ifdef EVENT
override EVENT := $(value EVENT)
endif
export DATA_DIR PORT FUNCTION EVENT AT FORCE FILE LINES MAPPING CONFIRM MAIL ONLY

.DEFAULT_GOAL := run
.PHONY: setup run invoke clock import

# What running needs is a part of what tests need: the second stamp includes the first.
setup: .venv/tests-installed

.venv/run-installed: requirements-run.txt
	@$(SET_UP) requirements-run.txt
	@touch $@

.venv/tests-installed: requirements-dev.txt
	@$(SET_UP) requirements-dev.txt
	@touch .venv/run-installed $@

run: .venv/run-installed  ## the whole service, on this machine
	@END_WITH_PARENT=1 exec $(BIN)/python -m infra.local.run

invoke: .venv/run-installed  ## FUNCTION=create_api_key EVENT='{…}': invoke a console function
	@$(BIN)/python -m infra.local.invoke

clock: .venv/run-installed  ## AT=2013-02-01T09:00Z: set the clock of the service; without AT, show it
	@$(BIN)/python -m infra.local.service_clock

import: .venv/run-installed  ## FILE=… [LINES=…] MAPPING=… [CONFIRM=1] [MAIL=1]: import files into the running service
	@$(BIN)/python -m infra.local.import_file

.PHONY: package stack-test
package: setup  ## build the deployment package into build/
	@$(BIN)/python -m infra.package

stack-test: setup  ## deploy the package to the local engine, with IAM enforced, and test it
	@$(BIN)/python -m pytest -m stack tests/infra

# Files in order: the slowest come first.
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

.PHONY: test proof check format
test: check  ## all tests, property tests with fewer rounds
	@$(BIN)/python -m pytest $(PARALLEL)

proof: check  ## all tests with all rounds
	@COUNTERFOIL_PROOF=1 $(BIN)/python -m pytest $(PARALLEL)

.PHONY: mutants
mutants: setup  ## [ONLY='chalicelib.sign_in.*']: whether unit tests notice faults in the rules (docs/testing.md)
	@rm -rf mutants
	@nice -n 15 $(BIN)/mutmut run $${ONLY:+"$$ONLY"}
	@$(BIN)/python -m infra.mutants

check: setup  ## style, types
	@$(BIN)/ruff format --check --quiet . || { echo "Not formatted: run make format."; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy

format: setup
	@$(BIN)/ruff check --quiet --fix-only . ; $(BIN)/ruff format --quiet .
