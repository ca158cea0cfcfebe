.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python
READY := .venv/.ready
ONLY ?=
MINUTES ?= 30

.PHONY: help setup demo faults loops soak test check fmt recordings docs bench lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Install the Debian packages needed and make .venv (as root the first time)

$(READY): requirements.lock pyproject.toml .ci/setup
	@.ci/setup
	@touch $@

demo: setup ## Break a real app on this machine and see what analyzerd says (as root)
	@$(PY) -m tests.world.demo

faults: setup ## Break real sites in every catalogued way, print the confusion matrix (as root; ONLY=name)
	@$(PY) -m tests.world.faults $(ONLY)

loops: setup ## Fault, diagnosis, apply, reload, verdict: for each of the guide's causes (as root; ONLY=name)
	@$(PY) -m tests.world.loops $(ONLY)

soak: setup ## A healthy half hour under load and deploys: nothing may be told (as root; MINUTES=30)
	@$(PY) -m tests.world.faults.soak --minutes $(MINUTES)

test: setup check ## Everything that must pass: checks, pure tests, tests on real programs
	$(PY) -m pytest -q -n 2 -m "not world"
	$(PY) -m pytest -q -m world

check: setup ## Lint, format, types, import directions, file and function lengths
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PY) -m pytest -q tests/test_shape.py

fmt: setup ## Format the code and mend what ruff can
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

recordings: setup ## Diagnose every recording and print the table and the score
	$(PY) -m tests.recordings

docs: setup ## Write docs/causes from the rules and docs/audit.md from the audit
	@$(PY) -m docs.generate

bench: setup ## Measure speed and memory beside other tools
	$(PY) -m benchmarks

lock: setup ## Resolve the dependencies anew into requirements.lock
	@command -v uv >/dev/null || $(PY) -m pip install --quiet uv
	@PATH="$$PATH:.venv/bin" uv pip compile pyproject.toml --extra daemon --group dev --generate-hashes \
	  --no-header --no-annotate --quiet -o requirements.lock
	@! grep -nE '://|--(extra-)?index-url|--find-links' requirements.lock

clean: ## Remove .venv, caches and built files
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
