# On a fresh machine with python3, pip, make and git: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed-run
INSTALLED_DEV := $(VENV)/installed-dev
SOURCES := consent_service tests migrations benchmarks docs wsgi.py

.PHONY: demo test run install install-dev lint types contracts unit coverage story torture bench bench-ledger conformance messages lock clean

demo: install
	@$(BIN)/consent-service demo

test: install-dev browser node lint types contracts unit

run: install
	@$(BIN)/consent-service serve

install: $(INSTALLED)

install-dev: $(INSTALLED_DEV)

$(VENV)/bin/pip:
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements/run.txt pyproject.toml | $(VENV)/bin/pip
	@echo "installing what it needs to run (about half a minute the first time)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(INSTALLED_DEV): requirements/dev.txt $(INSTALLED)
	@echo "installing what the tests need"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

# The browser tests drive Debian's Chromium; where there is none, apt brings it.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || { echo "installing Chromium"; \
	  if [ "$$(id -u)" = 0 ]; then as=; else as=sudo; fi; \
	  $$as apt-get update -qq && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; }

# Clients that nobody here wrote, from npm; Debian's Node.js where there is none.
.PHONY: node npm
NODE_INSTALLED := tests/interop/node_modules/.package-lock.json
BENCH_NODE := benchmarks/oauth/node_modules/.package-lock.json
node: $(NODE_INSTALLED)

npm:
	@command -v npm >/dev/null || { echo "installing Node.js"; \
	  if [ "$$(id -u)" = 0 ]; then as=; else as=sudo; fi; \
	  $$as apt-get update -qq && $$as env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm >/dev/null; }

%/node_modules/.package-lock.json: %/package.json %/package-lock.json | npm
	@cd $* && npm ci --silent --no-progress
	@touch $@

lint: install-dev
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/djlint --quiet --lint consent_service
	@$(BIN)/python docs/conformance.py && git diff --exit-code --stat docs/conformance.md || \
	  { echo "docs/conformance.md was out of date: commit what make conformance writes"; exit 1; }

types: install-dev
	$(BIN)/mypy

contracts: install-dev
	$(BIN)/lint-imports

unit: install-dev
	$(BIN)/python -m pytest -n 2 --dist loadgroup --durations=20

# Which lines and branches no test reaches; counting makes the tests half as slow again.
coverage: install-dev
	$(BIN)/python -m pytest -n 2 --dist loadgroup --cov --cov-report=term:skip-covered

story: install
	@$(BIN)/consent-service demo --story

# kill -9, two hundred times, on SQLite and on PostgreSQL: about ten minutes.
torture: install-dev
	$(BIN)/python -m tests.torture.torture --kills 200
	$(BIN)/python -m tests.torture.torture --kills 200 --postgresql

bench-ledger: install-dev
	$(BIN)/python -m benchmarks.ledger --large --postgresql

bench: install-dev
	@command -v wrk >/dev/null || { echo "installing wrk"; \
	  if [ "$$(id -u)" = 0 ]; then as=; else as=sudo; fi; $$as apt-get update -qq && $$as apt-get install -y -qq wrk >/dev/null; }
	$(BIN)/python benchmarks/servers.py
	$(BIN)/python -m benchmarks.decisions

# Beside oidc-provider, from npm.
bench-oauth: install-dev $(BENCH_NODE)
	$(BIN)/python -m benchmarks.oauth
	$(BIN)/python -m benchmarks.oauth.shares

conformance: install-dev
	$(BIN)/python docs/conformance.py

# Brings the translations up to the code: new sentences stand there untranslated, gone ones are taken out.
messages: install-dev
	$(BIN)/python -m tests.portal.messages

lock:
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install --quiet pip-tools
	@for set in run dev; do extra=; [ $$set = dev ] && extra="--allow-unsafe --extra dev"; \
	  $(VENV)-lock/bin/pip-compile --quiet --generate-hashes --no-strip-extras --no-emit-index-url \
	    --no-emit-trusted-host --no-emit-find-links $$extra -o requirements/$$set.txt pyproject.toml; done
	@rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) var build *.egg-info
