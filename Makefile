# The gate and its parts, one word each.  "make check" is what continuous integration runs.
PYTHON ?= .venv/bin/python
SCRIPTS = try.sh check.sh .ci/run scripts/prepare.sh rc.d/trafd

check: lint types man core test

$(PYTHON):
	sh scripts/prepare.sh check

lint: $(PYTHON)
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(dir $(PYTHON))lint-imports
	shellcheck $(SCRIPTS)

types: $(PYTHON)
	$(PYTHON) -m mypy

man:
	mandoc -T lint -W warning man/*.[158]

# The C core without Python, under AddressSanitizer and UBSan.
core:
	$(MAKE) -C tests/c check

# Everything pytest knows, the system tests too; these need root and say so where they skip.
test: $(PYTHON)
	$(PYTHON) -m pytest

system: $(PYTHON)
	$(PYTHON) -m pytest tests/system

fuzz:
	$(MAKE) -C tests/c fuzz

# Ten minutes of traffic; memory and descriptors must stay where they are.
soak: $(PYTHON)
	BPFT_SOAK_SECONDS=600 $(PYTHON) -m pytest tests/system/test_soak.py

# Needs Debian's nfdump and the generator in ../shared/bench.
bench: $(PYTHON)
	$(PYTHON) -m pip install -qq numpy
	$(PYTHON) bench/offline.py --results bench/RESULTS.md

wheel: $(PYTHON)
	$(PYTHON) -m pip wheel --no-deps --wheel-dir dist .

.PHONY: check lint types man core test system fuzz soak bench wheel
