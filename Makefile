# The gate and its parts, one word each.  "make check" is what continuous integration runs.
BIN = .venv/bin
SCRIPTS = try.sh check.sh .ci/run scripts/prepare.sh rc.d/trafd packaging/*.sh packaging/debian/bpft.p*

check: lint types man core test

# What is missing is installed, what is stale is built.
prepare:
	@sh scripts/prepare.sh check

lint: prepare
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	shellcheck $(SCRIPTS)
	shellcheck -s bash share/completions/bash/*

types: prepare
	$(BIN)/mypy

# Completions for bash, zsh and fish, after a change of options.
completions: prepare
	$(BIN)/python scripts/completions.py

man:
	mandoc -T lint -W warning man/*.[13578]

# The C core without Python, under AddressSanitizer and UBSan.
core:
	$(MAKE) -C tests/c check

# Everything pytest knows, the system tests too; these need root and say so where they skip.
test: prepare
	$(BIN)/pytest

system: prepare
	$(BIN)/pytest tests/system

# Needs clang.
fuzz:
	$(MAKE) -C tests/c fuzz

# Ten minutes of traffic; memory and descriptors must stay where they are.
soak: prepare
	BPFT_SOAK_SECONDS=600 $(BIN)/pytest tests/system/test_soak.py

# Tunnels and Ethernets come and go, each a hundred times with each engine: four minutes.
cycles: prepare
	BPFT_CYCLES=100 $(BIN)/pytest -s tests/system/test_presence.py

# What is measured is installed as users install it, in an environment of its own.  Needs Debian's nfdump and the generator
# in ../shared/bench; root for live and hostile.  A table each: half an hour.
BENCH = build/bench/bin
bench: prepare
	$(BIN)/python -m venv build/bench
	$(BENCH)/pip install -qq --force-reinstall --no-deps .
	$(BENCH)/pip install -qq ".[dev]"
	$(BENCH)/python bench/offline.py --results bench/RESULTS.md
	$(BENCH)/python bench/log.py --results bench/RESULTS.md
	$(BENCH)/python bench/live.py --results bench/RESULTS.md
	$(BENCH)/python bench/hostile.py --results bench/RESULTS.md

wheel: prepare
	$(BIN)/pip wheel -qq --no-deps --wheel-dir dist .

# Whatever is made goes to dist/.  What SOURCE_DATE_EPOCH says is the time of all files in it.
sdist: prepare
	$(BIN)/python -c 'from setuptools.build_meta import build_sdist; build_sdist("dist")' -q

# For the Debian it is made on: 12 or later.
deb:
	sh packaging/deb.sh

# The suite for machines without Python.
tarball:
	sh packaging/tarball.sh

# As root: what was made, in a Debian and in a chroot that hold nothing else.
check-deb: prepare deb
	$(BIN)/pytest packaging/test_deb.py packaging/test_systemd.py

check-tarball: prepare tarball
	$(BIN)/pytest packaging/test_tarball.py

.PHONY: check prepare lint types completions man core test system fuzz soak cycles bench wheel sdist deb tarball check-deb check-tarball
