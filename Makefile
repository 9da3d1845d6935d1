# make serve   the service with the synthetic cohort, on http://127.0.0.1:$(PORT)
# make test    everything that must hold before a change lands
# make setup   only install, into .venv, what tests and development need too
# make check   linters, types, import contracts, criteria, tests (make test without the servers)
# make quick   for every save: linters, and the tests of grading, criteria, cohort, files and one door
# make coverage  which lines and branches the tests reach, in subprocesses too
# make bench   speed and exactness, as tables; the crash suite, tamperings and random requests whole
# make evidence  what is claimed of panels and of hostile callers, measured
# make lock    the lock files again, from pyproject.toml
# make sbom    the bill of materials (CycloneDX) in dist/, and the table of docs/licences.md
# make audit   known weaknesses of what is locked; "Error 3": their list cannot be reached from here

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
BIN := .venv/bin
WORKERS ?= auto

.PHONY: setup serve system test check lint quick coverage bench evidence lock sbom audit

PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

setup: .venv/installed

# What the service itself needs: a fraction of what its tests do. Its modules are compiled, as pip
# does where nothing is editable: a sixth of grading a small file.
.venv/serves: pyproject.toml requirements.lock requirements-build.lock
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	@echo "Setting up, once: a virtual environment in .venv, then what requirements.lock names ..."
	@$(PYTHON) -m venv .venv
	@$(PIP) --require-hashes --requirement requirements.lock --requirement requirements-build.lock
	@echo "Installing Toxgrade itself, and compiling its modules ..."
	@$(PIP) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q app
	@touch $@

.venv/installed: .venv/serves requirements-dev.lock
	$(PIP) --require-hashes --requirement requirements-dev.lock
	touch $@

serve: .venv/serves
	@echo "Migrating the database, loading the synthetic cohort; then http://127.0.0.1:$(PORT)"
	TOXGRADE_AUTH=off $(BIN)/toxgrade serve --demo --port $(PORT)

# What the tests start or call beside Python: PostgreSQL's server, curl, a browser.
system:
	@missing=""; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing="$$missing postgresql"; \
	command -v curl >/dev/null || missing="$$missing curl"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	[ "$$(id -u)" != 0 ] || command -v ip >/dev/null || missing="$$missing iproute2"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ -f /etc/debian_version ] && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; \
	else \
		echo "The tests need these programs (Debian's package names):$$missing" >&2; exit 1; \
	fi

test: setup system
	TOXGRADE_REQUIRE_ALL=1 $(MAKE) check

check: lint
	$(BIN)/pytest --numprocesses $(WORKERS)

# What a commit must pass: `.pre-commit-config.yaml` calls it.
lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/toxgrade criteria check

# 108 s of CPU time: under a minute on two cores. Property tests are left to make check.
QUICK = tests/grading tests/criteria tests/cohort tests/tabular tests/fhir tests/server/api/test_grade.py
quick: setup
	$(BIN)/ruff check --quiet .
	$(BIN)/pytest --numprocesses $(WORKERS) -m "not hypothesis" $(QUICK)

# TESTS=tests/grading measures a part.
coverage: setup
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses $(WORKERS) $(TESTS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

bench: setup
	$(BIN)/python -m benchmarks
	TOXGRADE_FULL=1 $(BIN)/pytest --numprocesses 1 tests/crash tests/server/records/test_audit.py tests/server/http/test_fuzz.py tests/server/jobs/test_fuzzed_uploads.py

evidence: setup
	$(BIN)/python -m benchmarks.evidence

# uv is not part of the project; any recent release writes the same files.
LOCK = uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links --quiet --upgrade
lock:
	$(LOCK) pyproject.toml --extra server --extra xlsx --extra xpt --output-file requirements.lock
	$(LOCK) pyproject.toml --extra dev --output-file requirements-dev.lock
	$(LOCK) --group build --output-file requirements-build.lock

sbom: setup
	$(BIN)/python -m benchmarks.sbom

audit: setup
	$(BIN)/python -m benchmarks.known_weaknesses
