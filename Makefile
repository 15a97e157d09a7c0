# make demo            installs what it needs, then shows the main job live on a real HTCondor pool
# make demo KEEP=1     the same, and leaves it running to play with
# make demo REAL_PILOT=1  shows three taskforces with the real pilot, its containers and a real message queue
# make test            installs what it needs, then runs every check and test
# make soak            runs ten minutes of every trouble at once; SECONDS=3600 for longer, SEED=n repeats one
#
# Single parts: make lint, make unit, make pool (VERSION=23.9.6 for the older HTCondor), make faults,
# make container. For long: make fuzz (FUZZ_SECONDS=600), make bench.

SHELL   := /bin/bash
VENV    := .venv
PYTHON_ := $(VENV)/bin/python
VERSION := 25.14.1
POOL     = $(PYTHON_) -m tests.sandbox.pool run --version $(VERSION) --
PYTEST  := python -m pytest --durations=12

export PYTHONDONTWRITEBYTECODE = 1

.PHONY: pictures demo test lint unit pool pools faults faults-alone faults-on-pool soak mutants container image fuzz bench bench-on-pool lock clean

demo: $(VENV)/.ready
	@$(if $(KEEP),$(PYTHON_) -m tests.sandbox.kept) $(POOL) python -m tests.sandbox.demo $(if $(KEEP),--keep) \
	    $(if $(REAL_PILOT),--real-pilot)

# The long parts spend most of their time waiting, so two run at once.
test: lint unit
	$(MAKE) --jobs 2 --keep-going --output-sync=target apart

.PHONY: apart
apart: faults-on-pool pool-25.14.1 faults-alone pool-23.9.6 container

lint: $(VENV)/.ready
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

unit: $(VENV)/.ready
	$(PYTHON_) -m pytest --ignore tests/pool --ignore tests/faults --ignore tests/container

# The property tests and the fuzz run of `unit`, much longer and with new inputs each time; then hostile jobs.
FUZZ_SECONDS := 600
fuzz: $(VENV)/.ready
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(PYTHON_) -m pytest -s --hypothesis-profile=fuzz --hypothesis-show-statistics \
	    tests/fuzz tests/model tests/common/joblog/test_search.py tests/watcher/reading/test_exactness.py \
	    tests/watcher/reading/test_xml_stream.py
	$(POOL) env FUZZ_SECONDS=$(FUZZ_SECONDS) $(PYTEST) tests/pool/test_hostile_jobs.py -k whatever

# The figures of docs/performance.md: a quarter of an hour on an otherwise idle machine.
bench: $(VENV)/.ready
	$(PYTHON_) -m benchmarks.speed
	$(PYTHON_) -m benchmarks.memory
	$(PYTHON_) -m benchmarks.one_change
	$(PYTHON_) -m benchmarks.passes
	$(PYTHON_) -m benchmarks.first_pass
	$(PYTHON_) -m benchmarks.month --days 1 --taskforces 20 --workers 3 --no-troubles
	$(PYTHON_) -m benchmarks.month

# Those that need a pool.
bench-on-pool: $(VENV)/.ready
	$(POOL) python -m benchmarks.start
	$(PYTHON_) -m tests.sandbox.pool run --cpus 16 --version $(VERSION) -- python -m benchmarks.many_workers --beside
	$(POOL) python -m tests.sandbox.latency
	$(PYTHON_) -m tests.sandbox.memory --version $(VERSION)

# The pictures of the README, by the programs that they show; a browser (chromium) for the page of the report.
pictures: $(VENV)/.ready
	$(PYTHON_) -m benchmarks.pictures docs/pictures

# Kills, outages, damage: in simulated time and with real processes, then on a pool, with a short soak.
faults: faults-alone faults-on-pool

faults-alone: $(VENV)/.ready
	$(PYTHON_) -m pytest tests/faults --ignore tests/faults/pool

faults-on-pool: $(VENV)/.ready
	$(POOL) $(PYTEST) tests/faults/pool

SECONDS := 600
soak: $(VENV)/.ready
	$(POOL) python -m tests.faults.soak --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

# Whether the unit tests notice a change of the code that decides: some hours. `mutmut show NAME` prints one mutant.
# The tests' files are in memory, because the many writes to a disk would take longest.
mutants: $(VENV)/.ready
	memory=$$(mktemp -d -p /dev/shm) && trap 'rm -rf "$$memory"' EXIT && \
	    PYTEST_DEBUG_TEMPROOT=$$memory $(VENV)/bin/mutmut run --max-children 2
	$(PYTHON_) -m tests.mutants

# A real pool, as an ordinary user, because HTCondor does not let root submit.
pool: pool-$(VERSION)

pools: pool-25.14.1 pool-23.9.6

pool-%: $(VENV)/.ready
	$(PYTHON_) -m tests.sandbox.pool run --version $* -- $(PYTEST) tests/pool $(OMIT)

# The effect of hostile text and secrets depends on the client's library, which is the same for both versions;
# so is the pilot. What is watched in jobs' ads, and how soon news is sent, was tried with both.
pool-23.9.6: OMIT = --ignore tests/pool/test_hostile.py --ignore tests/pool/test_secrets.py \
    --ignore tests/pool/test_real_pilot.py --ignore tests/pool/test_changed_jobs.py --ignore tests/pool/test_at_once.py

# The image as for a release, under Apptainer and podman, with its own pool.
container: $(VENV)/.ready
	$(PYTHON_) -m pytest --durations=12 tests/container

# The image for use, and what it is made of in build/ewms-tms.cdx.json (CycloneDX); podman pulls its base.
image:
	deploy/build-image
	mkdir -p build
	deploy/bill-of-materials localhost/ewms-tms:$$(sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml) >build/ewms-tms.cdx.json

$(VENV)/.ready: requirements/dev.lock pyproject.toml tests/sandbox/prepare.sh
	tests/sandbox/prepare.sh $(VENV)
	touch $@

# The versions that every install uses; run this to take newer ones.
LOCK = $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --upgrade \
    --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' pyproject.toml
LOCK_PILOT = $(subst 3.11,3.12,$(LOCK)) --no-emit-package zstd --no-emit-package nkeys
lock: $(VENV)/.ready
	$(LOCK) -o requirements/run.lock
	$(LOCK) --extra dev -c requirements/run.lock -o requirements/dev.lock
	printf 'ewms-pilot==1.0.5\nhtcondor<25\nnats-py\n' | $(subst pyproject.toml,-,$(LOCK_PILOT)) -o requirements/pilot.lock
	echo hatchling | $(subst pyproject.toml,-,$(LOCK)) -c requirements/dev.lock -o requirements/build.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis build dist
