# Everything a person does with the project. `make help` says what there is.
#
# Stamps in .venv make repeated runs instant: a target runs again only when what it depends on has changed.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.stamp-setup
BUILD := $(VENV)/.stamp-build
# Arguments for pytest, and for `beurs serve`: make test ARGS="-k book", make serve ARGS="--port 9000".
ARGS ?=
# For make sim: the first seed, and how many.
SEED ?= 1
SEEDS ?= 1
# The compiled module and tests leave no files in the home directory or elsewhere.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONUTF8 := 1
unexport PYTHONHOME PYTHONPATH

RUST_SOURCES := Cargo.toml Cargo.lock $(wildcard .cargo/config.toml rust-toolchain.toml) \
	$(shell find crates -name target -prune -o \( -name '*.rs' -o -name Cargo.toml \) -print 2>/dev/null)

##@ Use

run: build ## Start the exchange with demo instruments, accounts and a market simulator on 127.0.0.1:8000
	@exec $(BIN)/beurs serve --demo $(ARGS)

serve: build ## Start the exchange as configured
	@exec $(BIN)/beurs serve $(ARGS)

##@ Develop

setup: $(SETUP) ## Make .venv with the locked dependencies

build: $(BUILD) ## Build the compiled module (release) and install the package into .venv

lint: build lint-fast ## Check everything that can be checked without running it
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(BIN)/mypy
	$(BIN)/mypy examples

lint-fast: build ## The checks that take seconds
	cargo fmt --all --check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

format: $(SETUP) ## Rewrite the sources in the house's format
	cargo fmt --all
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

test: build lint-fast ## Run every test
	cargo test --workspace --locked
	$(BIN)/pytest -m "not long" $(ARGS)

test-python: build ## Run the Python tests only
	$(BIN)/pytest -m "not long" $(ARGS)

test-long: build ## Run the tests that take minutes, too
	BEURS_TEST_LONG=1 BEURS_KILLS=1000 BEURS_COMMANDS=20000000 cargo test --workspace --locked --release -- --include-ignored
	BEURS_TEST_LONG=1 $(BIN)/pytest --timeout 3600 $(ARGS)

sim: ## Simulate the whole exchange from one seed: make sim SEED=7, SEEDS=1000 for as many from there on
	cargo run --quiet --profile test --locked -p beurs-sim --bin simulator -- --seed $(SEED) --seeds $(SEEDS) $(ARGS)

sim-long: ## Simulate 10,000 seeds
	cargo run --quiet --profile test --locked -p beurs-sim --bin simulator -- --seed $(SEED) --seeds 10000 --threads 2 $(ARGS)

fuzz: ## Give mutated bytes to whatever reads bytes, for a minute (ARGS="--target journal --seconds 3600")
	cargo run --release --locked --quiet -p beurs-sim --bin beurs-fuzz -- $(ARGS)

bench: build ## Measure speed and memory
	@scripts/bench $(BIN) $(ARGS)

docs: build ## Write the generated pages of docs/ and the Rust documentation
	$(BIN)/python scripts/docs.py
	cargo doc --workspace --no-deps --locked --quiet

lock: $(SETUP) ## Compile requirements/*.txt anew from pyproject.toml and requirements/dev.in
	scripts/lock $(BIN)/uv

##@ Clean

clean: ## Delete what was built (not data/)
	rm -rf $(VENV) target dist build python/beurs/_core*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## Say what there is
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(SETUP): requirements/dev.txt scripts/setup
	@scripts/setup $(VENV) requirements/dev.txt "$(PYTHON)"
	@touch $@

$(BUILD): $(SETUP) pyproject.toml $(wildcard README.md) $(RUST_SOURCES)
	@command -v cargo >/dev/null || { echo "make: no Rust toolchain (cargo). Install one with rustup." >&2; exit 1; }
	@echo "build: compiling beurs._core"
	@PIP_QUIET=1 $(BIN)/maturin develop --release --locked --quiet
	@touch $@

.PHONY: run serve setup build lint lint-fast format test test-python test-long sim sim-long fuzz bench docs lock clean help
