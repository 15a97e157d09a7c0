# make demo    everything it needs, then the main job on a real HTCondor pool, shown live
# make test    everything it needs, then every check and test

SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin

.PHONY: demo test lint unit pool lock clean

$(VENV)/.ready: requirements/dev.lock pyproject.toml tests/sandbox/prepare.sh
	tests/sandbox/prepare.sh $(VENV)
	touch $@

# The versions that every install uses; run it to take newer ones.
lock: $(VENV)/.ready
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --custom-compile-command 'make lock' --upgrade pyproject.toml -o requirements/run.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --custom-compile-command 'make lock' --extra dev -c requirements/run.lock --upgrade pyproject.toml -o requirements/dev.lock

lint: $(VENV)/.ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

unit: $(VENV)/.ready
	$(BIN)/python -m pytest --ignore tests/pool --ignore tests/faults

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis build dist
