# Everything happens in .venv inside the checkout. `make demo` and `make test` set it up.
PYTHON ?= python3
# A CPU build is enough here. Any torch >= 2.6 works: make setup TORCH="torch"
TORCH ?= torch==2.13.0
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
DEMO := demo

.PHONY: setup demo test test-all check lint format types cpp-test bench golden clean help

help:
	@echo "make demo      train the digits network, build it for the ZCU102, report"
	@echo "make test      the default tests;  make test-all: every test"
	@echo "make check     lint, types and tests: what CI runs"
	@echo "make bench     the benchmarks;  make clean: remove .venv and $(DEMO)"

setup: $(STAMP)

$(STAMP): pyproject.toml .ci/system-packages
	@bash .ci/system-packages
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "setting up $(VENV): PyTorch is the large part"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[demo,test,dev]"
	@touch $@

demo: setup
	@mkdir -p $(DEMO)
	$(BIN)/python examples/digits.py --output $(DEMO)/model.pt
	$(BIN)/rmsmp-hls build $(DEMO)/model.pt --board zcu102 -o $(DEMO)/build

test: setup
	$(BIN)/python -m pytest -n 2 -q -m "not slow"

test-all: setup
	$(BIN)/python -m pytest -n 2 -q

check: setup lint types test-all

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy rmsmp_hls

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

cpp-test: setup
	$(BIN)/python -m pytest -q tests/hls_cpp

golden: setup
	GOLDEN_UPDATE=1 $(BIN)/python -m pytest -q

bench: setup
	$(BIN)/python benchmarks/build_stages.py
	$(BIN)/python benchmarks/csim_speed.py

clean:
	rm -rf $(VENV) $(DEMO) dist
