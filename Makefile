# Needs python3 (3.11 or newer), make and git. Everything else is installed below this folder.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
ENV ?= dev
REQUESTS ?= 200000
DELIVERIES ?= 1000000
TURNS ?= 40
KILLS ?= 50
ENVIRONMENTS := local dev staging prod
BIN := .venv/bin
CDK := $(BIN)/python -m cli.local.cdk
# One test process more than there are processors, four at the most: each holds a gigabyte.
# Compiled tests are kept: else each process makes them anew, every time.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --maxprocesses 4 $(PYTEST_ARGS)
export PYTEST_ARGS

define setup
@command -v $(PYTHON) >/dev/null || { \
	echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name one with PYTHON=/path/to/python3" >&2; \
	exit 1; }
@$(PYTHON) cli/bootstrap.py $(1) $(if $(filter file,$(origin PYTHON)),,chosen)
endef

.PHONY: help up down reset test unit calendar check style lint bench bench-fraud fuzz fault-points mutants histories equal-day extremes chaos hunt guide interop mlflow warehouse docs notebook synth locks reference layers deploy clean run-environment test-environment

help: ## List these targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  PYTHON=python3.13 chooses the Python; MILLRACE_PORT=4567 moves the local"
	@echo "  platform; ENV is dev (default), staging or prod. What calendar, mutants and"
	@echo "  the longer runs take: CONTRIBUTING.md; bench-fraud: docs/models.md."

up: ## Set up, start the local platform, deploy, send sample events
	$(call setup,up)
	@$(BIN)/millrace up

down: ## Stop the local platform; keep its data
	@if [ -x $(BIN)/millrace ]; then $(BIN)/millrace down; else echo "Nothing is running here."; fi

reset: ## Stop the local platform; delete its data
	@if [ -x $(BIN)/millrace ]; then $(BIN)/millrace down --reset; else echo "Nothing is running here."; fi

test: test-environment ## Run every test
	@$(PYTEST)

unit: test-environment ## Run the unit and contract tests, which need no services
	@$(PYTEST) -q tests/unit tests/contract

calendar: test-environment ## Run the tests under other dates (SHIFTS, TESTS)
	@$(BIN)/python -m tests.support.shifted_clock $(if $(SHIFTS),--shifts '$(SHIFTS)') $(if $(TESTS),--tests '$(TESTS)')

style: test-environment ## Check format, style, types and contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/millrace contracts lint
	$(BIN)/millrace contracts diff

lint: style ## The same, and cfn-lint over every environment
	$(BIN)/python -m stacks.lint

check: style synth ## What CI runs: style, synth and every test
	@$(PYTEST)

bench-fraud: test-environment ## Measure the fraud models on card transactions (DATA, ...)
	@$(BIN)/python -m bench.quality $(if $(DATA),--data '$(DATA)') $(if $(TRAIN_FROM),--train-from '$(TRAIN_FROM)') \
		$(if $(TRAIN_TO),--train-to '$(TRAIN_TO)') $(if $(DELAY),--delay '$(DELAY)') \
		$(if $(TEST_FROM),--test-from '$(TEST_FROM)') $(if $(TEST_TO),--test-to '$(TEST_TO)')

bench: test-environment ## Measure speed against peers and floors (GOALS, WRITE=1)
	@$(BIN)/python -m bench $(if $(WRITE),--write) $(GOALS)

interop: test-environment ## Read the lake with pyiceberg, DuckDB, polars, Spark, Trino
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q tests/interop

mlflow: run-environment ## Run MLflow on port 5500 (MLFLOW_PORT) until Ctrl-C
	@$(BIN)/python -m cli.mlflow.server

warehouse: run-environment ## Build, test and document the dbt project (ORG)
	@$(BIN)/python -m cli.warehouse $(if $(ORG),--org '$(ORG)')

notebook: run-environment ## Open the example notebooks (NOTEBOOK_PORT) until Ctrl-C
	@$(BIN)/python -m cli.notebook

docs: run-environment ## Make a site of docs/ with search, in build/docs/site
	@$(BIN)/python -m cli.docs

fuzz: test-environment ## Send REQUESTS generated requests to post_events
	@$(BIN)/python -m tests.support.fuzz $(REQUESTS)

fault-points: test-environment ## Make every AWS call of intake and consumers fail in turn
	@$(BIN)/python -m tests.support.faultpoints

mutants: test-environment ## Plant faults that the tests must find (ONLY="G1 ...")
	@$(BIN)/python -m tests.support.mutants $(ONLY)

histories: test-environment ## Check the guarantees over DELIVERIES random deliveries
	@$(BIN)/python -m tests.support.histories $(DELIVERIES)

equal-day: test-environment ## Compare stream and lake over a day of EVENTS (20000)
	@$(BIN)/python -m tests.support.equal_day $(EVENTS)

extremes: test-environment ## Send extreme values through the whole platform (TURNS)
	@$(BIN)/python -m tests.support.extremes $(TURNS)

chaos: test-environment ## Kill the local platform KILLS times under load
	@$(BIN)/python -m tests.support.chaos $(KILLS)

hunt: test-environment ## Look for personal values in clear after EVENTS (5000)
	@MILLRACE_HUNT=$(or $(EVENTS),5000) $(BIN)/python -m pytest -q -n 0 --timeout 3600 tests/integration/test_clear_text.py

guide: test-environment ## Follow docs/guide in a fresh clone, and time it
	@$(BIN)/python -m tests.support.guide

synth: run-environment ## Synthesize every environment, without credentials
	@for env in $(ENVIRONMENTS); do \
		echo "synth $$env"; $(CDK) synth --quiet -c env=$$env -c alarm-contacts=oncall@example.com --output build/cdk/$$env || exit 1; done

locks: test-environment ## Write the hashes of all that is installed (locks/)
	@$(BIN)/python -m cli.locks

reference: run-environment ## Write docs/reference/ from the code
	@$(BIN)/python -m cli.reference

layers: run-environment ## Build the third-party layers of ENV
	@$(BIN)/python -m layers.build --env $(ENV)

deploy: layers ## Deploy ENV to AWS, alarms to ALARM_CONTACTS
	@$(CDK) synth --quiet -c env=$(ENV) -c alarm-contacts='$(ALARM_CONTACTS)' --output build/cdk/$(ENV)
	@$(BIN)/millrace preflight --env $(ENV) --assembly build/cdk/$(ENV) --ask
	@$(CDK) deploy --all --app build/cdk/$(ENV)

clean: ## Remove everything built and installed, and local data
	@if [ -x $(BIN)/millrace ]; then $(BIN)/millrace down; fi
	rm -rf .venv .local build cdk.out .hypothesis .ruff_cache *.egg-info

run-environment:
	$(call setup,run)

test-environment:
	$(call setup,dev)
