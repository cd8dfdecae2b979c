# All a checkout needs is Python 3.11 or later (with venv), make and git. `make help` lists the targets.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test test-ray docs soak soak-workflows soak-places orphans hostile mutants bench cost format clean

# A pyenv shim answers `command -v` and then fails, so every candidate is run, not merely looked for.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
endif

MINUTES ?= 10
SCHEDULES ?= 100000
KILLS ?= 1000
STORES ?= sqlite:///soak.db postgresql://postgres@127.0.0.1:5432/test

# Where this is set, each process that a test starts compiles again what it imports.
unexport PYTHONDONTWRITEBYTECODE

RUN := .venv
TEST := .venv-test
RAY := .venv-ray
BENCH := .venv-bench
PIP := -m pip install --quiet --quiet --disable-pip-version-check
STAGE := @printf '==> %s\n'

define need_python
@if [ -z "$(PYTHON)" ]; then \
	echo "letitcrash needs Python 3.11 or later with the venv module, and found none on the PATH." >&2; \
	echo "Install one (on Debian and Ubuntu: python3 and python3-venv), or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
	exit 1; fi
@"$(PYTHON)" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	echo "$(PYTHON) is not Python 3.11 or later with the venv module. Name another: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
	exit 1; }
endef

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

run: $(RUN)/.stamp ## Set up .venv and run the example examples/source_audit.py
	@$(RUN)/bin/letitcrash run examples/source_audit.py

test: $(TEST)/.stamp ## Build the wheel, install it into .venv-test, and run every check against it
	$(STAGE) "wheel"
	@rm -rf dist
	@$(TEST)/bin/python -P -m hatchling build -t wheel >/dev/null
	@$(TEST)/bin/python $(PIP) --force-reinstall --no-deps dist/*.whl
	@$(TEST)/bin/python -P .ci/beside \
		"ruff check" "$(TEST)/bin/ruff check" \
		"ruff format --check" "$(TEST)/bin/ruff format --check" \
		"lint-imports" "$(TEST)/bin/lint-imports --no-logo" \
		"mypy, and types of pages and examples" "$(TEST)/bin/mypy && $(TEST)/bin/python -P docs/typecheck.py" \
		"pages" "$(TEST)/bin/python -P -m sphinx -q -n -W --keep-going -E docs docs/_build/check"
	$(STAGE) "pytest"
	@LETITCRASH_INSTALLED=1 $(TEST)/bin/python -P -m pytest -n auto --dist worksteal $(ARGS)

test-ray: $(RAY)/.stamp ## Run the tests that need Ray, in an environment of their own
	$(STAGE) "wheel"
	@rm -rf dist
	@$(RAY)/bin/python -P -m hatchling build -t wheel >/dev/null
	@$(RAY)/bin/python $(PIP) --force-reinstall --no-deps dist/*.whl
	$(STAGE) "pytest on Ray"
	@LETITCRASH_INSTALLED=1 $(RAY)/bin/python -P -m pytest tests/actors/ray/cluster "tests/test_docs.py::test_every_python_block_of_a_page_runs[docs/how-to/run-on-ray.md]" $(ARGS)

docs: $(TEST)/.stamp ## Build the pages into docs/_build/html, after writing what comes from the code
	@PYTHONPATH=. $(TEST)/bin/python docs/generate.py
	@$(TEST)/bin/python -m sphinx -q -n -W --keep-going -j auto docs docs/_build/html
	@echo "docs/_build/html/index.html"

soak: $(TEST)/.stamp ## Run generated trees under faults for MINUTES=10 (SEED=n repeats a campaign)
	@$(TEST)/bin/python -m benchmarks.soak --minutes "$(MINUTES)" $(if $(SEED),--seed "$(SEED)") $(ARGS)

soak-workflows: $(TEST)/.stamp ## Kill processes with durable runs KILLS=1000 times (STORES="sqlite:///a.db postgresql://...")
	@for store in $(STORES); do $(TEST)/bin/python -m benchmarks.soak_workflows --kills "$(KILLS)" --store "$$store" $(ARGS) || exit 1; done

soak-places: $(TEST)/.stamp ## Kill processes of actors and tasks KILLS=1000 times under load, and account for every message (SEED=n)
	@$(TEST)/bin/python -m benchmarks.soak_places --kills "$(KILLS)" $(if $(SEED),--seed "$(SEED)") $(ARGS)

orphans: $(TEST)/.stamp ## Kill a program with placed actors KILLS=1000 times, and look what is left
	@$(TEST)/bin/python -m benchmarks.orphans --kills "$(KILLS)" $(ARGS)

hostile: $(TEST)/.stamp ## Run trees whose code raises everywhere, SCHEDULES=100000 times (SEED=n repeats a campaign)
	@$(TEST)/bin/python -m benchmarks.hostile --schedules "$(SCHEDULES)" $(if $(SEED),--seed "$(SEED)") $(ARGS)

mutants: $(TEST)/.stamp ## Check that generated trees notice a supervisor that breaks a rule (ARGS="--list")
	@$(TEST)/bin/python -m benchmarks.mutants $(ARGS)

bench: $(BENCH)/.stamp ## Run the benchmarks beside their peers (ARGS="--quick" passes options on)
	@$(BENCH)/bin/python -m benchmarks $(ARGS)

cost: $(TEST)/.stamp ## Count what each flow costs and compare with the ceilings (ARGS="--keep" keeps new ones)
	@$(TEST)/bin/python -m benchmarks.cost --check $(ARGS)

format: $(TEST)/.stamp ## Mend what ruff can mend, and format
	@$(TEST)/bin/ruff check --fix --exit-zero
	@$(TEST)/bin/ruff format

clean: ## Remove the environments, the wheel and the caches
	rm -rf $(RUN) $(TEST) $(RAY) $(BENCH) dist docs/_build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The packages are on the path as they stand in the checkout, so an edit needs no new installation.
$(RUN)/.stamp: pyproject.toml
	$(need_python)
	$(STAGE) "setting up $(RUN)"
	@rm -rf $(RUN)
	@"$(PYTHON)" -m venv $(RUN)
	@$(RUN)/bin/python $(PIP) --editable '.[cli,yaml]'
	@touch $@

# pip 25.1 is the first that knows dependency groups.
$(TEST)/.stamp: pyproject.toml
	$(need_python)
	$(STAGE) "setting up $(TEST)"
	@rm -rf $(TEST)
	@"$(PYTHON)" -m venv $(TEST)
	@$(TEST)/bin/python $(PIP) --upgrade 'pip>=25.1'
	@$(TEST)/bin/python $(PIP) --group build --group dev --group docs '.[cli,testing,yaml,workflows,postgres,otel]'
	@$(TEST)/bin/python -P benchmarks/anyio_suite.py --fetch $(TEST)/anyio || echo "Its tests will be skipped." >&2
	@touch $@

# Ray alone is as large as everything else.
$(RAY)/.stamp: pyproject.toml
	$(need_python)
	$(STAGE) "setting up $(RAY)"
	@rm -rf $(RAY)
	@"$(PYTHON)" -m venv $(RAY)
	@$(RAY)/bin/python $(PIP) --upgrade 'pip>=25.1'
	@$(RAY)/bin/python $(PIP) --group build --group ray '.[testing,yaml,ray]'
	@touch $@

# A peer that does not install on this Python is a row that says so, not the end of the run.
$(BENCH)/.stamp: pyproject.toml
	$(need_python)
	$(STAGE) "setting up $(BENCH)"
	@rm -rf $(BENCH)
	@"$(PYTHON)" -m venv $(BENCH)
	@$(BENCH)/bin/python $(PIP) --upgrade 'pip>=25.1'
	@$(BENCH)/bin/python $(PIP) --group bench --editable '.[testing,workflows,postgres]'
	@for peers in bench-peers bench-workflows; do $(BENCH)/bin/python $(PIP) --group $$peers || \
		echo "The peers ($$peers) did not install; their rows will say so." >&2; done
	@touch $@
