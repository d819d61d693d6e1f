# Two commands do everything: `make run` and `make test`. Both work from any folder and twice in a row.
ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
VENV := $(ROOT)/.venv
PYTHON := $(VENV)/bin/python
# The first interpreter that is new enough; override with `make PYTHON3=/path/to/python3.12 run`.
PYTHON3 ?= $(shell for candidate in python3.11 python3.12 python3.13 python3; do \
	command -v $$candidate >/dev/null 2>&1 && $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$candidate && break; done)
CHECKED := *.py views tests example_client benchmarks migrations

.PHONY: run doctor test lint types unit slow browser screenshots bench clean help

help:
	@echo "make run    set everything up, start dashboard and API"
	@echo "make test   set everything up, run every check"
	@echo "make doctor say whether everything is there, and how safely models are held"
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

test: lint types unit slow browser
	@echo "All checks passed."

lint: $(VENV)/dev.stamp
	cd "$(ROOT)" && "$(VENV)/bin/ruff" check . && "$(VENV)/bin/ruff" format --check .

types: $(VENV)/dev.stamp
	cd "$(ROOT)" && "$(VENV)/bin/mypy" $(CHECKED)

unit: $(VENV)/dev.stamp
	cd "$(ROOT)" && "$(PYTHON)" -m pytest -q -m "not slow and not browser"

slow: $(VENV)/dev.stamp
	cd "$(ROOT)" && "$(PYTHON)" -m pytest -q -m "slow and not browser"

browser: $(VENV)/dev.stamp
	cd "$(ROOT)" && sh tests/ensure_browser.sh && "$(PYTHON)" -m pytest -q -m browser

screenshots: $(VENV)/dev.stamp
	cd "$(ROOT)" && sh tests/ensure_browser.sh && "$(PYTHON)" -m tests.screenshots

bench: $(VENV)/dev.stamp
	cd "$(ROOT)" && for script in benchmarks/benchmark_*.py; do echo "== $$script"; "$(PYTHON)" "$$script" || exit 1; done

clean:
	rm -rf "$(VENV)" "$(ROOT)/.mypy_cache" "$(ROOT)/.ruff_cache"
