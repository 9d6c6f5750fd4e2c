# Every target sets up what it needs: a bare Python >= 3.11 with venv is enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
PHOENIX := .phoenix
PEERS := .peers
ARGS   ?=
# Tests run in two processes at once; a part of them, named in ARGS, in this one, where a debugger can be used.
JOBS   ?= $(if $(ARGS),0,2)

.DEFAULT_GOAL := help
.PHONY: help demo serve test phoenix lint format bench faults fuzz lock clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-11s %s\n", $$1, $$2}'

# The environment is made on first use and made again when the lock changes.
$(STAMP): requirements/dev.lock pyproject.toml
	@echo "Setting up $(VENV) (once; again when requirements/dev.lock changes)"
	@rm -rf $(VENV)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "llmgw needs Python 3.11 or newer, this is " + sys.version)'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)  ## Start everything with a simulated provider and walk through it (ARGS="--fast --exit").
	@$(BIN)/llmgw demo $(ARGS)

serve: $(STAMP)  ## Run the gateway (ARGS="--port 8080 --workers 2").
	@$(BIN)/llmgw serve $(ARGS)

test: lint tools  ## Lint, then run every test in JOBS processes (ARGS="-k name" for some of them).
	@$(MAKE) --no-print-directory phoenix || echo "Phoenix cannot be installed here: the tests that ask it are skipped"
	@$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

phoenix: $(STAMP)  ## Install the tracing backend that tests ask, into an environment of its own.
	@cmp -s requirements/phoenix.lock $(PHOENIX)/lock || { \
	  echo "Setting up $(PHOENIX) (once; again when requirements/phoenix.lock changes)"; \
	  rm -rf $(PHOENIX) && $(BIN)/python -m venv $(PHOENIX) && \
	  $(PHOENIX)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: \
	    -r requirements/phoenix.lock && cp requirements/phoenix.lock $(PHOENIX)/lock; }

# Alert rules are tested by Prometheus' own tools: fetched once where there is apt, done without elsewhere.
.PHONY: tools
tools:
	@scripts/prometheus_tools

lint: $(STAMP)  ## Formatting, lint rules, types and import contracts.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP)  ## Format and fix what can be fixed.
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(STAMP)  ## Measure every scenario beside the upstream and a bare forwarder (five minutes).
	@$(BIN)/python -m loadtests $(ARGS)

.PHONY: bench-peers
bench-peers: $(STAMP)  ## The same beside LiteLLM and Portkey, installed on first use (ten minutes).
	@$(BIN)/python -m loadtests --peers $(ARGS)

.PHONY: counts
counts: $(STAMP)  ## Count the interpreter's instructions per call (ARGS=--files: whose; ARGS=--write: a new baseline).
	@$(BIN)/python -m loadtests.counts $(ARGS)
.PHONY: soak
soak: $(STAMP)  ## Twenty minutes of mixed traffic with a fault each minute, then the books (ARGS="--hours 4").
	@$(BIN)/python -m loadtests.soak $(ARGS)

.PHONY: bench-cluster
bench-cluster: $(STAMP)  ## Two gateways on a Valkey Cluster, one primary of which is killed under load.
	@$(BIN)/python -m loadtests.cluster $(ARGS)

faults: $(STAMP)  ## Faults that take too long or too much for every test run (some minutes).
	@$(BIN)/python -m pytest tests/faults_long/*rows.py $(ARGS)

fuzz: $(STAMP)  ## Fuzz every codec guided by coverage, where atheris installs (EACH_S=60 seconds for each fact).
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: atheris
	@for fact in $$($(BIN)/python -m tests.fuzz.atheris_targets 2>/dev/null); do \
	  $(BIN)/python -m tests.fuzz.atheris_targets $$fact -max_total_time=$${EACH_S:-60} || exit 1; done

lock: $(STAMP)  ## Resolve the locks again (hash-pinned, no index named in them).
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -o requirements/run.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url -o requirements/dev.lock pyproject.toml --extra demo --extra dev
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements/phoenix.lock requirements/phoenix.in
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -o requirements/litellm.lock requirements/litellm.in

clean:  ## Remove the environments and caches.
	@rm -rf $(VENV) $(PHOENIX) $(PEERS) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
