# Every target sets up what it needs: a virtual environment in .venv, from hashes in requirements/.
# Needs only make and Python >= 3.11; PYTHON=/path/to/python chooses one.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Extras stay in: pip refuses `coverage[toml]`, asked for by another package, where only `coverage` is pinned and a newer one is out.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --no-annotate pyproject.toml
# What the container image has beside the runtime.
IMAGE_EXTRAS := sql postgres
# What builds it: docker, podman or buildah.
ENGINE ?= docker
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' exporter/__init__.py)
# What tests run at once; 2 suits a laptop and a small runner alike.
JOBS ?= 2
# Further words for the command of demo, test, simulate and bench: make test ARGS='-k parse'
ARGS ?=
# What the simulation is drawn from.
SEED ?= 1

.DELETE_ON_ERROR:
.PHONY: help setup demo test soak fleet simulate lint format bench generate lock lock-image image cover clean

help:
	@echo 'make demo      run the exporter on a stand-in for AWS until stopped'
	@echo 'make test      run all tests'
	@echo 'make soak      10,000 changes on every road, with faults and kills; ARGS="--seed 7"'
	@echo 'make fleet     three replicas on PostgreSQL and one queue, killed for two minutes; ARGS="--seed 7"'
	@echo 'make simulate  90 days with incidents, judged by the alert rules in a real Prometheus; SEED=1'
	@echo 'make lint      check style, types, import contracts, spelling and generated pages'
	@echo 'make bench     measure throughput beside its baselines'
	@echo 'make generate  rewrite the generated pages of docs/'
	@echo 'make format    format the code'
	@echo 'make cover     run all tests with branch coverage'
	@echo 'make lock      renew requirements/ from the ranges of pyproject.toml'
	@echo 'make image     build the container image; ENGINE=podman for another builder than docker'
	@echo 'make setup     only prepare .venv'
	@echo 'make clean     remove .venv, caches and build products'

setup: $(INSTALLED)

# exporter/__init__.py holds the version, which the installed metadata repeat.
$(INSTALLED): requirements/dev.txt pyproject.toml exporter/__init__.py
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  for python in $(PYTHON) python3.13 python3.12 python3.11; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	      echo "$$python -m venv $(VENV)"; \
	      $$python -m venv --clear $(VENV) && exit 0; \
	      echo "$$python cannot make virtual environments; on Debian and Ubuntu install python3-venv" >&2; exit 1; \
	    fi; \
	  done; \
	  echo "Python 3.11 or newer is needed, but '$(PYTHON)' is older or missing, and so are python3.13, python3.12 and python3.11;" >&2; \
	  echo "install one, or name it: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(INSTALLED)
	@exec $(BIN)/aws-change-exporter demo $(ARGS)

test: $(INSTALLED)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

soak: $(INSTALLED)
	$(BIN)/python -m tests.soak $(ARGS)

fleet: $(INSTALLED)
	$(BIN)/python -m tests.fleet $(ARGS)

simulate: $(INSTALLED)
	$(BIN)/python -m simulation --seed $(SEED) $(ARGS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/python -m tools.generate --check

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/python -m bench $(ARGS)

generate: $(INSTALLED)
	$(BIN)/python -m tools.generate

cover: $(INSTALLED)
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --cov $(ARGS)

lock: $(INSTALLED)
	$(LOCK) --extra sandbox --extra sql --extra postgres --group dev --upgrade -o requirements/dev.txt
	$(LOCK) --constraint requirements/dev.txt --upgrade -o requirements/runtime.txt
	$(LOCK) --extra sandbox --extra sql --constraint requirements/dev.txt --upgrade -o requirements/sandbox.txt
	$(MAKE) lock-image

lock-image: $(INSTALLED)
	$(LOCK) $(addprefix --extra ,$(IMAGE_EXTRAS)) --constraint requirements/dev.txt -o requirements/image.txt
	$(filter-out pyproject.toml,$(LOCK)) --constraint requirements/dev.txt --group pyproject.toml:build -o requirements/build.txt

image:
	$(ENGINE) build $(if $(filter docker,$(ENGINE)),,--format docker) --build-arg VERSION=$(VERSION) \
	  --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" --tag aws-change-exporter:$(VERSION) $(ARGS) .

clean:
	rm -rf $(VENV) build dist .coverage .grafana_schema_cache .helm_cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
