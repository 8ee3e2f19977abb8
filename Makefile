# Two commands do everything on a machine with Python and a package index: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
CORE := .venv-core/bin

.PHONY: demo test test-core format benchmark requirements

demo: .venv-core/installed  ## Install the core alone, render fields, find their heads, score that; pictures in demo/
	PATH="$(CURDIR)/$(CORE):$$PATH" sh demo.sh

test: .venv/installed test-core  ## The whole check: format, lint, types, layers, tests, and tests without torch
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --numprocesses=auto --cov --cov-report=
	$(BIN)/coverage report --include="$(PURE)" --fail-under=95

test-core: .venv-core/testing  ## What a plain install can do, in an environment without torch
	$(CORE)/pytest --quiet tests/core tests/counting tests/prediction tests/test_images.py tests/test_detections.py

# The parts that are all arithmetic and text; the others are covered as far as their tests reach.
PURE := src/spica/boxes.py,src/spica/detections.py,src/spica/scoring/*,src/spica/report/*,src/spica/labels/*.py,src/spica/counting/*,src/spica/prediction/*,src/spica/training/recipe.py,src/spica/training/augmentation.py,src/spica/training/schedule.py

format: .venv/installed
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

benchmark: .venv/installed  ## Speed, side by side; real photos are used where SPICA_GWHD names them
	$(BIN)/python benchmarks/detecting.py
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/augmentation.py

requirements: .venv/installed  ## Compile what continuous integration and the demo install
	$(BIN)/uv pip compile pyproject.toml --extra train --extra geo --extra ground --group dev --universal --no-header --output-file requirements.txt
	$(BIN)/uv pip compile pyproject.toml --universal --no-header --constraint requirements.txt --output-file requirements-core.txt

.venv/installed: requirements.txt pyproject.toml
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "uv>=0.9"
	VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv pip sync --quiet requirements.txt
	VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv pip install --quiet --no-deps --editable . uv
	touch .venv/installed

.venv-core/installed: requirements-core.txt pyproject.toml
	test -d .venv-core || $(PYTHON) -m venv .venv-core
	$(CORE)/python -m pip install --quiet "uv>=0.9"
	VIRTUAL_ENV="$(CURDIR)/.venv-core" $(CORE)/uv pip install --quiet --requirement requirements-core.txt
	VIRTUAL_ENV="$(CURDIR)/.venv-core" $(CORE)/uv pip install --quiet --no-deps --editable .
	touch .venv-core/installed

.venv-core/testing: .venv-core/installed requirements.txt
	VIRTUAL_ENV="$(CURDIR)/.venv-core" $(CORE)/uv pip install --quiet --constraint requirements.txt pytest hypothesis beartype
	touch .venv-core/testing
