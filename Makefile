# The project's commands. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV := $(shell command -v uv 2>/dev/null || echo $(CURDIR)/$(BIN)/uv)
SOURCES := celeryconfig.py settings web workers tasks ml security observability ops
COMPILE = "$(UV)" pip compile --quiet --no-header --python-version 3.11
ROLES := web scoring drains training operations embedded

# uv reads none of pip's configuration; a folder of wheels that pip was told about is handed on.
UV_FIND_LINKS ?= $(or $(PIP_FIND_LINKS),$(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null))
ifneq ($(strip $(UV_FIND_LINKS)),)
export UV_FIND_LINKS
endif

# Without bytecode on disk, every process that a test starts compiles its libraries anew.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest
# Tests of processes wait more than they work: more test processes than cores. Unit tests only work: one per core.
# Files are shared out by tests/scheduling.py.
TEST_PROCESSES ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
PARALLEL := --dist=loadfile --no-loadscope-reorder --numprocesses

# OpenMP threads that wait spinning take the cores from each other and from everything else.
export OMP_WAIT_POLICY ?= passive

.DEFAULT_GOAL := help
.PHONY: help install bench-install demo test test-quick test-unit up down status check lint format types imports unused observability lock security clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## make the environment, or bring it up to date

$(BIN)/python:
	@if [ -x "$(UV)" ]; then "$(UV)" venv --quiet --allow-existing --python $(PYTHON) $(VENV); \
	else $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv; fi

$(STAMP): requirements.txt | $(BIN)/python
	@backend=$$($(PYTHON) ops/installation/torch_source.py) && \
	env $${backend:+UV_TORCH_BACKEND=$$backend} "$(UV)" pip install --quiet --python $(BIN)/python -r requirements.txt
	@touch $@

bench-install: $(STAMP) ## add the peers that `ops bench latency` compares with
	"$(UV)" pip install --quiet --python $(BIN)/python -r requirements/bench.txt

demo: ## catch fraud on this machine, from nothing (DATA=file.parquet uses your transactions)
	@started=$$(date +%s.%N); $(MAKE) --no-print-directory install && \
	exec $(BIN)/python -m ops demo --setup-started $$started $(if $(DATA),--data "$(DATA)")

test: $(STAMP) ## run all tests: unit, integration, end to end, faults
	$(PYTEST) $(PARALLEL)=$(TEST_PROCESSES) tests/e2e tests/integration tests/unit tests/chaos

test-quick: $(STAMP) ## run the unit tests and the stores' contracts, but for the slow ones
	$(PYTEST) $(PARALLEL)=auto -m "not slow" tests/unit

test-unit: $(STAMP) ## run all unit tests
	$(PYTEST) $(PARALLEL)=auto tests/unit

up: $(STAMP) ## start the whole stack and keep it running (Ctrl-C stops it)
	@$(BIN)/python -m ops prepare && exec $(BIN)/python -m ops up

down: $(STAMP) ## stop the stack
	@$(BIN)/python -m ops down

status: $(STAMP) ## show what runs
	@$(BIN)/python -m ops status

check: lint types imports unused ## lint, types, imports, unused code and dependencies

lint: $(STAMP) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(STAMP) ## put everything into ruff's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

imports: $(STAMP) ## hold the layers
	$(BIN)/lint-imports

unused: $(STAMP) ## vulture and deptry: unused code, undeclared or unused packages
	$(BIN)/vulture
	$(BIN)/deptry . --no-ansi

observability: $(STAMP) ## write alert rules, dashboards and their documents from their definitions
	$(BIN)/python -m ops observability --out .
	$(BIN)/python -m ops observability --document > docs/alerts.md

# One resolution for everything; each role's set is a part of it, with the same versions.
lock: | $(BIN)/python ## resolve requirements/*.in into pinned files
	# Without its old pin, torch resolves to a wheel for CPUs only, if UV_FIND_LINKS holds one: lock where it does.
	sed -i '/^torch==/d' requirements.txt requirements/*.txt
	cd requirements && $(COMPILE) all.in -o ../requirements.txt
	cd requirements && for role in $(ROLES); do $(COMPILE) -c ../requirements.txt $$role.in -o $$role.txt || exit 1; done
	cd requirements && $(COMPILE) mlflow-server.in -o mlflow-server.txt
	cd requirements && $(COMPILE) -c ../requirements.txt bench.in -o bench.txt
	# A wheel for CPUs only is a local build of the same version: the pin is the public one.
	sed -i 's/^\(torch==[^+]*\)+cpu/\1/' requirements.txt requirements/*.txt

# The command line starts processes, draws traffic by chance and calls Redis by the names Redis chose; its chaos suite asserts.
security: $(STAMP) ## insecure code, secrets in files, known vulnerabilities of what is pinned
	$(BIN)/bandit -q -r $(filter-out ops,$(SOURCES))
	$(BIN)/bandit -q -r ops --skip B101,B311,B324,B404,B603,B606,B607
	$(BIN)/python -m ops.checks.secret_scan
	$(BIN)/python -m ops.checks.vulnerabilities

clean: down ## stop the stack and delete what it and the tools wrote; keys and the environment stay
	rm -rf var/data var/remembered var/demo var/log var/run var/metrics var/models var/reports var/mlflow.db var/demo-report.json
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
