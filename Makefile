# Two commands for a new user: `make demo` and `make test`. The rest is for those who change the code.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: demo test lint protos descriptor clean help

help:  ## Show the targets.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

demo: $(VENV)/.installed  ## Install, serve the starter bundle, link a short note over gRPC.
	@$(BIN)/python -m linker.demo

test: $(VENV)/.installed-test  ## Install what tests need and run them all.
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev  ## ruff, mypy --strict, import-linter, buf, and the linters of what is in deploy/.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd protos && $(abspath $(BIN))/buf lint
	$(BIN)/yamllint --strict -c deploy/.yamllint.yaml deploy
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/kubernetes-validate --strict --quiet --no-warn -k 1.33 $(filter-out %kustomization.yaml,$(wildcard deploy/kubernetes/base/*.yaml))

protos: $(VENV)/.installed-test  ## Regenerate linker/v1 from protos/.
	$(BIN)/python -m grpc_tools.protoc -I protos --python_out=. --pyi_out=. --grpc_python_out=. protos/linker/v1/*.proto

descriptor: $(VENV)/.installed  ## Write build/descriptor.pb, the contract as proxies and gateways read it.
	mkdir -p build
	$(BIN)/linker descriptor --out build/descriptor.pb

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

clean:  ## Remove the virtual environment and caches.
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
