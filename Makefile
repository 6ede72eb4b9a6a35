# make setup   the tool at .venv/bin/pawl, and all that its tests need
# make demo    the main job on a real app, under load
# make test    lint, types, layers, and every test
# make check   the first three of these only
# make bench   the measurements of bench/RESULTS.md
# make pictures   the pictures of the dashboard in docs/img

PYTHON ?= python3
# Tests and demo start thousands of processes: without bytecode each of them would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin

.PHONY: setup demo test check format bench pictures clean

setup: .venv/.ready

.venv/.ready: pyproject.toml uv.lock tools/bootstrap.py
	@$(PYTHON) tools/bootstrap.py .venv
	@touch $@

demo: setup
	@$(BIN)/pawl demo

test: check
	@$(BIN)/pytest --numprocesses 4 --dist loadfile --no-loadscope-reorder

check: setup
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup
	@$(BIN)/python -m bench

pictures: setup
	@$(BIN)/python tools/screenshots.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
