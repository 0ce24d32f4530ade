# The commands of README.md. Python >= 3.11 and make are all they need: each one
# makes .venv if it is absent and installs what it lacks.
#
#   make test PYTHON=python3.12     another interpreter for a new .venv
#   make test WORKERS=8             more test processes

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin
SOURCES := skmultimodal tests examples benchmarks docs

.PHONY: help demo test test-all lint format docs examples bench clean

help:
	@echo "make demo      pictures and questions: five ways to answer, cross-validated"
	@echo "make test      lint, types, and every test that is quick"
	@echo "make test-all  the same, and what is slow: long tests, docs, examples"
	@echo "make lint      ruff, mypy, codespell"
	@echo "make format    let ruff put the code in order"
	@echo "make docs      docs/_build/html/index.html"
	@echo "make bench     every benchmark, one table each"
	@echo "make clean     drop caches and built pages (.venv stays)"

# -- the environment -----------------------------------------------------------------

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is not Python 3.11 or newer: make ... PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) has no working venv module (Debian: apt install python3-venv)"; \
	  exit 1; }

# Weights of a speaker network; its own dependencies do not install everywhere, and
# the tests need none of them.
SPEAKERS := resemblyzer==0.1.4

# A stamp for each set of extras: a second call installs nothing.
extras.lint := lint
extras.test := test,media
extras.test-all := test,media,weights,browser,docs
extras.docs := docs,media
extras.bench := bench,media,weights
extras.demo := demo

$(VENV)/.installed-%: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -e '.[$(extras.$*)]' -c constraints.txt
	$(if $(filter test-all,$*),$(BIN)/python -m pip install --no-deps $(SPEAKERS) \
	  -c constraints.txt)
	@touch $@
.PRECIOUS: $(VENV)/.installed-%

# -- what they all run ---------------------------------------------------------------

define run-lint
$(BIN)/ruff check $(SOURCES)
$(BIN)/ruff format --check $(SOURCES)
$(BIN)/mypy
$(BIN)/codespell $(SOURCES) Makefile $(wildcard *.md *.toml)
endef

# A test process computes on one core, for WORKERS of them share the machine.
run-pytest = OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
  $(BIN)/python -m pytest -n $(WORKERS) --durations 10 \
  --cov --cov-report term:skip-covered --cov-fail-under 90

run-docs = $(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

run-examples = set -e; for file in examples/*.py; do \
  echo "== $$file"; MPLBACKEND=Agg $(BIN)/python "$$file"; done

# -- what people do ------------------------------------------------------------------

demo: $(VENV)/.installed-demo
	$(BIN)/python examples/demo_easy_vqa.py

test: $(VENV)/.installed-test
	$(run-lint)
	$(run-pytest) -m "not slow"

test-all: $(VENV)/.installed-test-all
	$(run-lint)
	$(run-docs)
	@$(run-examples)
	HYPOTHESIS_PROFILE=long $(run-pytest)

lint: $(VENV)/.installed-lint
	$(run-lint)

format: $(VENV)/.installed-lint
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: $(VENV)/.installed-docs
	$(run-docs)

examples: $(VENV)/.installed-demo
	@$(run-examples)

bench: $(VENV)/.installed-bench
	@set -e; for file in benchmarks/bench_*.py; do \
	  echo "== $$file"; $(BIN)/python "$$file"; done

clean:
	rm -rf docs/_build docs/auto_examples docs/generated docs/sg_execution_times.rst
	rm -rf build dist htmlcov demo_results *.egg-info .coverage .coverage.*
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
