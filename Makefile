# What a checkout can do, a word each; `make` alone lists them. Needs make and Python 3.11 or newer.
# PYTHON makes the environment, VENV is where it lies: make test PYTHON=python3.11 VENV=elsewhere

PYTHON ?= python3
VENV ?= .venv
SITE ?= site

empty :=
space := $(empty) $(empty)
# Touched when the installation is complete, so that one cut short is taken up again.
stamp := $(subst $(space),\ ,$(VENV))/.installed

says = $(shell "$(PYTHON)" -c 'import sys; print($(1))' 2>/dev/null || true)
new_enough = $(filter True,$(call says,sys.version_info >= (3, 11)))
has_venv = $(filter True,$(call says,bool(__import__("venv") and __import__("ensurepip"))))
version = $(shell "$(PYTHON)" --version 2>&1 || true)
another = name another: make $(MAKECMDGOALS) PYTHON=python3.11
too_old = Python 3.11 or newer is needed, but $(PYTHON) says "$(version)"; $(another)
no_venv = $(PYTHON) has no venv or no ensurepip; install python3-venv or $(another)
# Expands to nothing, or stops make with one line before anything is written.
needs_python = $(if $(new_enough),$(if $(has_venv),,$(error $(no_venv))),$(error $(too_old)))

.PHONY: help demo test install lint docs clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

demo: $(stamp) ## Train REBECA's prior, generate, score and rank it beside baselines and anchors
	"$(VENV)/bin/pgbench" run --method rebeca

test: $(stamp) ## Run the tests
	"$(VENV)/bin/pytest" -n 2

install: $(stamp) ## Make the environment in VENV; the others do so where it is missing or out of date

lint: $(stamp) ## Check style, types and that the generated pages are fresh
	"$(VENV)/bin/ruff" check .
	"$(VENV)/bin/ruff" format --check .
	"$(VENV)/bin/mypy"
	"$(VENV)/bin/python" docs/generate.py --check

docs: $(stamp) ## Write the generated pages and build the documentation into SITE
	"$(VENV)/bin/python" docs/generate.py
	"$(VENV)/bin/mkdocs" build --strict --quiet --site-dir "$(SITE)"

clean: ## Remove the environment
	@test ! -e "$(VENV)" || test -e "$(VENV)/pyvenv.cfg" || \
	{ echo '$(VENV) is not a virtual environment; nothing was removed' >&2; exit 1; }
	rm -rf "$(VENV)"

$(stamp): pyproject.toml constraints.txt
	$(needs_python)"$(PYTHON)" -m venv "$(VENV)"
	"$(VENV)/bin/python" -m pip install -c constraints.txt -e ".[dev]"
	@touch "$@"
