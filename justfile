# Shortcuts for contributors. Checks call the steps of `.ci/run`, so that they are the ones that must pass.

# `.ci/run` builds outside the checkout; these recipes share `target` with cargo.
export CARGO_TARGET_DIR := env('CARGO_TARGET_DIR', justfile_directory() / 'target')

[private]
default:
    @just --list

# Build hitctl, optimized
build:
    cargo build --release --locked

# Run all tests
test:
    .ci/run tests

# Check format, scripts, dependencies and lints
lint:
    .ci/run cargo-deny format scripts dependencies lints fuzz-lints

# Format all Rust code
fmt:
    .ci/run reformat

# Build the API documentation, with warnings as errors, and the book in `docs`
docs:
    .ci/run docs mdbook book

# Run the benchmarks; `just bench --quick` takes a few minutes and leaves the published figures alone
bench *options:
    bench/deploy.py {{ options }}
    bench/local.py {{ options }}
    bench/queues.py {{ options }}
    bench/cold.py {{ options }}

# Measure line coverage of the fast tests
coverage:
    .ci/run cargo-llvm-cov coverage

# Run everything that CI runs
ci:
    .ci/run
