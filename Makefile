# Everything a developer or a user of this repository does is a target here; CI calls the same ones.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
UV ?= $(shell command -v uv 2>/dev/null)
export UV_SYSTEM_CERTS := 1
ARGS ?=

help:  ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY)  ## Serve the gateway on this machine (PORT=8080), simulated Vertex behind it unless there are Google credentials
	@exec $(BIN)/chromagent run $(ARGS)

test: $(READY) lint  ## Lint, types, floors and all tests
	@$(BIN)/pytest -n auto $(ARGS)

check: test  ## The same, under the name that pre-commit and habits expect

lint: $(READY)  ## Format check, lint, types, floors
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(BIN)/python tools/docs.py --check
	@$(BIN)/python tools/openapi.py --check

format: $(READY)  ## Format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

soak: $(READY)  ## Half an hour of mixed load with faults and disconnects (ARGS="--minutes 5")
	@$(BIN)/python tools/soak.py $(ARGS)

audit: $(READY)  ## Look for known vulnerabilities of what is deployed
	@$(BIN)/python tools/audit.py

bundle: $(READY)  ## Make the deployment archive dist/chromagent.zip and its bill of materials
	@$(BIN)/python tools/bundle.py

bench: $(READY)  ## Measure speed and memory against other ways (ARGS="unary --rounds 3")
	@$(BIN)/python -m tools.bench $(ARGS)

docs: $(READY)  ## Write the tables of the documentation, and docs/openapi.json, from the code
	@$(BIN)/python tools/docs.py
	@$(BIN)/python tools/openapi.py

lock: $(READY)  ## Renew uv.lock, the functions' requirements with it, and those of checkov
	@$(BIN)/uv lock --upgrade
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		tools/checkov/requirements.in -o tools/checkov/requirements.txt
	@$(BIN)/python tools/requirements.py

providers:  ## Record the providers' hashes in the lock files; needs terraform and its registry
	@for lock in terraform/.terraform.lock.hcl terraform/bootstrap/.terraform.lock.hcl terraform/examples/*/.terraform.lock.hcl; do \
		terraform -chdir="$$(dirname "$$lock")" init -backend=false -input=false >/dev/null && \
		terraform -chdir="$$(dirname "$$lock")" providers lock -platform=linux_amd64 -platform=linux_arm64 -platform=darwin_amd64 \
			-platform=darwin_arm64 -platform=windows_amd64 || exit 1; \
	done

requirements: $(READY)  ## Write the functions' requirements, and the pin of uv, from uv.lock
	@$(BIN)/python tools/requirements.py

setup: $(READY)  ## Make the environment in .venv

clean:  ## Remove the environment and what was built
	rm -rf $(VENV) dist

# With uv the lock is installed as it is; without it, a virtual environment gets uv first, so that both ways end in the same versions.
$(READY): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "chromagent needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try make PYTHON=python3.13" >&2; exit 2; }
ifeq ($(UV),)
	@$(PYTHON) -m venv $(VENV) || { echo "chromagent needs Python's venv module (on Debian: apt install python3-venv)" >&2; exit 2; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r tools/uv/requirements.txt
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv sync --quiet --frozen --inexact --active
else
	@$(UV) sync --quiet --frozen --python $(PYTHON)
endif
	@touch $(READY)

.PHONY: help run test check lint format soak audit bundle bench docs lock providers requirements setup clean
