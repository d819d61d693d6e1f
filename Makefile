# Two commands do everything: `make run` and `make test`. Both work from any folder and twice in a row.
ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
VENV := $(ROOT)/.venv
PYTHON := $(VENV)/bin/python
# The first interpreter that is new enough; override with `make PYTHON3=/path/to/python3.12 run`.
PYTHON3 ?= $(shell for candidate in python3.11 python3.12 python3.13 python3; do \
	command -v $$candidate >/dev/null 2>&1 && $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$candidate && break; done)
# Who holds models: the tests that `make unprivileged` runs once more as the user nobody.
SAFETY := $(addprefix tests/test_,isolation.py sandbox.py process_guard.py restricted_pickle.py hostile_corpus.py hostile_runs.py)
# The interpreter for that; must be of the version of .venv, and usable by everybody, as the system's is.
NOBODYS_PYTHON ?= /usr/bin/python3
AS_NOBODY := setpriv --reuid=65534 --regid=65534 --clear-groups env -i LANG=C.UTF-8 PATH=/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1
CHECKED := *.py views tests example_client benchmarks migrations

.PHONY: run doctor test lint types unit slow unprivileged browser screenshots bench clean help

help:
	@echo "make run    set everything up, start dashboard and API"
	@echo "make test   set everything up, run every check"
	@echo "make doctor say whether everything is there, and how safely models are held"
	@echo "make unprivileged  as root: run the tests of safety once more as the user nobody"
	@echo "make bench  print where the time goes and the ratios to the obvious alternatives"
	@echo "make clean  remove the environment (keeps ./data)"

$(VENV)/run.stamp: $(ROOT)/requirements.txt
	@test -n "$(PYTHON3)" || { echo "Python 3.11 or newer is needed and was not found; install it or call make PYTHON3=/path/to/python run"; exit 1; }
	@test -x $(PYTHON) || "$(PYTHON3)" -m venv "$(VENV)"
	@echo "Installing dependencies (a minute or two the first time) ..."
	@"$(PYTHON)" -m pip install --quiet --disable-pip-version-check -r "$(ROOT)/requirements.txt"
	@touch "$@"

$(VENV)/dev.stamp: $(ROOT)/requirements-dev.txt $(VENV)/run.stamp
	@"$(PYTHON)" -m pip install --quiet --disable-pip-version-check -r "$(ROOT)/requirements-dev.txt"
	@touch "$@"

run: $(VENV)/run.stamp
	@cd "$(ROOT)" && exec "$(PYTHON)" -m launcher

doctor: $(VENV)/run.stamp
	@cd "$(ROOT)" && exec "$(PYTHON)" -m doctor

test: lint types unit slow unprivileged browser
	@echo "All checks passed."

lint: $(VENV)/dev.stamp
	cd "$(ROOT)" && "$(VENV)/bin/ruff" check . && "$(VENV)/bin/ruff" format --check .

types: $(VENV)/dev.stamp
	cd "$(ROOT)" && "$(VENV)/bin/mypy" $(CHECKED)

unit: $(VENV)/dev.stamp # whose processes share the cores: libraries that take them all only wait for one another
	cd "$(ROOT)" && OMP_NUM_THREADS=1 "$(PYTHON)" -m pytest -q -n auto --maxprocesses 4 --dist worksteal -m "not slow and not browser"

slow: $(VENV)/dev.stamp
	cd "$(ROOT)" && "$(PYTHON)" -m pytest -q -m "slow and not browser"

unprivileged: $(VENV)/dev.stamp
	@test "$$(id -u)" = 0 || { echo "Only root can become nobody; as an ordinary user, make slow is this test."; exit 0; }; \
	cd "$(ROOT)" && export PYTHONPATH="$$(echo $(VENV)/lib/python3.*/site-packages)" && \
	if ! $(AS_NOBODY) PYTHONPATH="$$PYTHONPATH" "$(NOBODYS_PYTHON)" -c 'import numpy, settings' 2>/dev/null; then \
	echo "SKIPPED as the user nobody: $(NOBODYS_PYTHON) cannot read this folder or is of another version than .venv."; exit 0; fi; \
	home=$$(mktemp -d) && chown 65534:65534 "$$home" && trap 'rm -rf "$$home"' EXIT && \
	$(AS_NOBODY) HOME="$$home" TMPDIR="$$home" HYPOTHESIS_STORAGE_DIRECTORY="$$home" PYTHONPATH="$$PYTHONPATH" "$(NOBODYS_PYTHON)" -m pytest -q $(SAFETY)

browser: $(VENV)/dev.stamp
	cd "$(ROOT)" && sh tests/ensure_browser.sh && "$(PYTHON)" -m pytest -q -m browser

screenshots: $(VENV)/dev.stamp
	cd "$(ROOT)" && sh tests/ensure_browser.sh && "$(PYTHON)" -m tests.screenshots

bench: $(VENV)/dev.stamp
	cd "$(ROOT)" && sh tests/ensure_browser.sh && for script in benchmarks/benchmark_*.py; do echo "== $$script"; "$(PYTHON)" "$$script" || exit 1; done

clean:
	rm -rf "$(VENV)" "$(ROOT)/.mypy_cache" "$(ROOT)/.ruff_cache"
