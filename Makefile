# Needs python3 (3.11 or newer), make and git. Everything else is installed below this folder.
.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= python3
ENV ?= dev
REQUESTS ?= 200000
DELIVERIES ?= 1000000
TURNS ?= 40
ENVIRONMENTS := local dev staging prod
BIN := .venv/bin
CDK := $(BIN)/python -m cli.local.cdk
# One test process more than there are processors, four at the most: each holds a gigabyte.
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses 4 $(PYTEST_ARGS)
export PYTEST_ARGS

define setup
@command -v $(PYTHON) >/dev/null || { \
	echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name one with PYTHON=/path/to/python3" >&2; \
	exit 1; }
@$(PYTHON) cli/bootstrap.py
endef

.PHONY: help up down reset test unit calendar check lint bench bench-fraud fuzz fault-points mutants histories extremes mlflow warehouse synth layers deploy clean run-environment test-environment

help: ## What there is to do
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  PYTHON=python3.13 chooses the Python, MILLRACE_PORT=4567 moves the local platform."

up: run-environment ## Set up, start the local platform, deploy, send sample events, show what happened
	@$(BIN)/millrace up

down: ## Stop the local platform and keep what it holds
	@if [ -x $(BIN)/millrace ]; then $(BIN)/millrace down; else echo "Nothing is running here."; fi

reset: ## Stop the local platform and forget what it holds
	@if [ -x $(BIN)/millrace ]; then $(BIN)/millrace down --reset; else echo "Nothing is running here."; fi

test: test-environment ## Every test: unit, contract, integration, infrastructure, end to end
	@$(PYTEST)

unit: test-environment ## The tests that need no input or output, in seconds
	@$(PYTEST) -q tests/unit tests/contract

calendar: test-environment ## The suite on other days: SHIFTS="+8d +40d +400d leap-day year-end", TESTS="tests/unit …"
	@$(BIN)/python -m tests.support.shifted_clock $(if $(SHIFTS),--shifts '$(SHIFTS)') $(if $(TESTS),--tests '$(TESTS)')

lint: test-environment ## Format, lint, types, contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/millrace contracts lint
	$(BIN)/millrace contracts diff

check: lint synth ## What CI runs: lint, every environment synthesized, every test
	@$(PYTEST)

bench-fraud: test-environment ## Quality of the fraud models: DATA=FOLDER TRAIN_FROM= TRAIN_TO= DELAY= TEST_FROM= TEST_TO=
	@$(BIN)/python -m bench.quality $(if $(DATA),--data '$(DATA)') $(if $(TRAIN_FROM),--train-from '$(TRAIN_FROM)') \
		$(if $(TRAIN_TO),--train-to '$(TRAIN_TO)') $(if $(DELAY),--delay '$(DELAY)') \
		$(if $(TEST_FROM),--test-from '$(TEST_FROM)') $(if $(TEST_TO),--test-to '$(TEST_TO)')

bench: test-environment ## Measure the goals of speed, each against its peer or floor; WRITE=1 writes bench/RESULTS.md
	@$(BIN)/python -m bench $(if $(WRITE),--write) $(GOALS)

mlflow: run-environment ## Start MLflow on 127.0.0.1:5500 (MLFLOW_PORT moves it) with every registered model; Ctrl-C stops it
	@$(BIN)/python -m cli.mlflow.server

warehouse: run-environment ## Build, test and document the dbt project on a tenant's silver (ORG=, locally the first demo tenant)
	@$(BIN)/python -m cli.warehouse $(if $(ORG),--org '$(ORG)')

fuzz: test-environment ## Send generated requests to the handler of post_events, REQUESTS of them
	@$(BIN)/python -m tests.support.fuzz $(REQUESTS)

fault-points: test-environment ## Every AWS call of intake and the consumers goes wrong in every way, one at a time
	@$(BIN)/python -m tests.support.faultpoints

mutants: test-environment ## Plant faults one at a time, each of which breaks a promise: tests must find it; ONLY="G1 isolation" chooses
	@$(BIN)/python -m tests.support.mutants $(ONLY)

histories: test-environment ## DELIVERIES of events in histories by chance, checked against the guarantees
	@$(BIN)/python -m tests.support.histories $(DELIVERIES)

extremes: test-environment ## Extreme values of every field of every contract through the whole platform, TURNS of each
	@$(BIN)/python -m tests.support.extremes $(TURNS)

synth: run-environment ## Synthesize every environment; no credentials, Docker or network beyond the first installation
	@for env in $(ENVIRONMENTS); do \
		echo "synth $$env"; $(CDK) synth --quiet -c env=$$env --output build/cdk/$$env || exit 1; done

layers: run-environment ## Build the third-party layers of ENV (dev, staging, prod; local is built by make up)
	@$(BIN)/python -m layers.build --env $(ENV)

deploy: layers ## Deploy ENV to the AWS account of your credentials
	@$(CDK) deploy --all -c env=$(ENV) --output build/cdk/$(ENV)

clean: ## Remove what was built and installed, and the local platform with what it holds
	@if [ -x $(BIN)/millrace ]; then $(BIN)/millrace down; fi
	rm -rf .venv .local build cdk.out .hypothesis .ruff_cache *.egg-info

run-environment:
	$(setup) run

test-environment:
	$(setup) dev
