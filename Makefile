# `make run` shows anomalies in a bundled log; `make test` is everything CI runs. Both install what they need.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
.PHONY: setup build run demo test lint bench eval fuzz web clean

setup:
	@tools/setup

build: setup
	cargo build --release --locked

run: build
	target/release/lapwing scan examples/apache-10k.log.gz

# The service, fed with generated traffic for a while: open http://127.0.0.1:8080/
demo: build
	tools/demo

test: lint
	cargo nextest run --workspace --locked --no-fail-fast
	cargo test --doc --workspace --locked

lint: setup
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo deny check licenses bans sources

# Figures of ours and of a peer in the same run, with ratios.
bench: build
	tools/bench

# Detection quality per data set.
eval: build
	tools/eval

# Each parser under a coverage-guided fuzzer, for SECONDS each.
SECONDS_EACH ?= 60
fuzz: setup
	tools/fuzz $(SECONDS_EACH)

# The dashboard is not built yet; the API's own pages are embedded as they are.
web:
	@echo "there are no web sources to build yet: the API's pages are plain files in crates/lapwing/src/server"

clean:
	cargo clean
