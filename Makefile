# Two commands do everything on a machine with Python and a package index: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test format benchmark requirements

demo: .venv/installed  ## Render fields, train a small detector, evaluate and predict; pictures in demo/
	PATH="$(CURDIR)/$(BIN):$$PATH" sh demo.sh

test: .venv/installed  ## The whole check: format, lint, types, layers, tests
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --cov --cov-report=
	$(BIN)/coverage report --include="$(PURE)" --fail-under=95

# The parts that are all arithmetic and text; the others are covered as far as their tests reach.
PURE := src/spica/boxes.py,src/spica/detections.py,src/spica/scoring/*,src/spica/labels/*.py,src/spica/prediction/*,src/spica/training/recipe.py,src/spica/training/augmentation.py,src/spica/training/schedule.py

format: .venv/installed
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

benchmark: .venv/installed  ## Speed, side by side; benchmarks/ has more, for real photos and trained weights
	$(BIN)/python benchmarks/scoring.py
	$(BIN)/python benchmarks/augmentation.py

requirements: .venv/installed  ## Compile what continuous integration installs
	$(BIN)/uv pip compile pyproject.toml --extra train --group dev --universal --no-header --output-file requirements.txt

.venv/installed: requirements.txt pyproject.toml
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet "uv>=0.9"
	VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv pip sync --quiet requirements.txt
	VIRTUAL_ENV="$(CURDIR)/.venv" $(BIN)/uv pip install --quiet --no-deps --editable . uv
	touch .venv/installed
