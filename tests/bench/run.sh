#!/usr/bin/env bash
# Builds and runs the benchmarks. Installs PyTorch (large) from Debian's packages if it is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
. cmd/packages.sh
# shellcheck disable=SC2086
install_packages $build_packages libcmocka-dev python3 python3-torch libopenblas0-openmp
cmake --preset release > /dev/null
cmake --build --preset release --target bench_evaluation
/usr/bin/python3 tests/bench/evaluation.py build/release/tests/bench/bench_evaluation "$@"
