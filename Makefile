# Needs Python 3.11 or newer and make; everything else comes with pip into .venv.
PYTHON ?= python3
BIN = .venv/bin
export NO_ALBUMENTATIONS_UPDATE = 1

.PHONY: demo test setup clean

setup: .venv/installed

# Set up again when the dependencies change; an interrupted installation leaves no mark and is done again.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch .venv/installed

demo: setup
	$(BIN)/i2i demo demo

test: setup
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist worksteal

clean:
	rm -rf .venv demo runs
