# Everything starts from a clean clone with Python 3.11+ and Node 20: `make demo`, `make test`.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
WEB := src/visavis/web/meet.html
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -type f -print 2>/dev/null)
# These mostly wait for sockets and processes; the others hold calls in real time, one by one.
TESTS_AT_ONCE := tests/unit tests/integration/net tests/integration/providers \
	tests/integration/control_plane tests/integration/photo \
	$(wildcard tests/integration/platform_*)
# Debian: a browser for the tests, and recorded human speech for the demo.
APT := chromium pocketsphinx-testdata

.PHONY: help setup demo serve check test bench web models debian clean

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: .venv/.installed $(WEB) models ## Make the environment, build the web pages, pull the models

demo: .venv/.installed $(WEB) ## Watch a headless caller talk with Ava; leaves out/demo/demo.mp4
	@$(MAKE) --no-print-directory debian APT=pocketsphinx-testdata
	@$(BIN)/visavis demo

serve: setup ## Run the server on http://127.0.0.1:7860
	@$(BIN)/visavis serve

check: .venv/.installed web/node_modules/.installed ## Format, lint, types and the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	npm --prefix web run --silent check

test: setup debian check ## Everything that must pass, from a clean clone
	@$(BIN)/visavis models pull smollm2-135m-instruct
	$(BIN)/pytest -q -n 4 --dist loadfile $(TESTS_AT_ONCE)
	$(BIN)/pytest -q tests $(TESTS_AT_ONCE:%=--ignore=%)
	npm --prefix web test

bench: setup debian ## Measure latency, lip-sync, barge-in and drawing; takes some minutes
	$(BIN)/python -m benchmarks.voice_to_voice
	$(BIN)/python -m benchmarks.avsync
	$(BIN)/python -m benchmarks.barge_in
	$(BIN)/python -m benchmarks.avatar
	@$(BIN)/visavis models pull face-mesh
	$(BIN)/python -m benchmarks.lipsync

web: web/node_modules/.installed ## Build the web pages
	npm --prefix web run --silent build

models: .venv/.installed ## Pull the embedded models (0.6 GB, once)
	@$(BIN)/visavis models pull

debian: ## Install the missing Debian packages (as root; elsewhere says which)
	@missing=$$(for p in $(APT); do dpkg -s $$p >/dev/null 2>&1 || echo $$p; done); \
	if [ -z "$$missing" ]; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing $$missing"; \
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	    apt-get install -y -qq --no-install-recommends $$missing) >/dev/null; \
	else echo "Not installed (needs root, Debian): $$missing"; fi

clean: ## Remove what was made here, but not the models
	rm -rf .venv web/node_modules src/visavis/web out .visavis
	find . -name __pycache__ -prune -exec rm -rf {} +

# pip learned --group in 25.1; the one that comes with Python 3.11 is older.
# The pages come first: an editable install takes those that are there.
.venv/.installed: pyproject.toml | $(WEB)
	@echo "Making the environment in .venv (a minute or two)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --progress-bar on -e . --group dev
	@touch $@

web/node_modules/.installed: web/package-lock.json
	npm --prefix web ci --no-audit --no-fund
	@touch $@

$(WEB): $(WEB_SOURCES) | web/node_modules/.installed
	npm --prefix web run --silent build
	@touch $@
