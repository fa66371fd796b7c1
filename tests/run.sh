#!/usr/bin/env bash
# Installs what the tests need, builds everything and runs every test: optimised, then under
# AddressSanitizer and UndefinedBehaviorSanitizer. Ends non-zero if anything failed. With CI set,
# the preset is "ci" and warnings are errors (elsewhere a newer compiler may know new ones).
#   tests/run.sh [--quick]   --quick leaves the sanitizers out
set -euo pipefail
cd "$(dirname "$0")/.."

optimised=${CI:+ci}
optimised=${optimised:-release}
case "$*" in
"") presets="$optimised asan" ;;
--quick) presets="$optimised" ;;
*) sed -n '2,/^set/s/^# //p' "$0" >&2; exit 2 ;;
esac

. cmd/packages.sh

# Debian starts a daemon as soon as it is installed; the tests start their own.
install_without_starting() {
    local policy=/usr/sbin/policy-rc.d sudo=""
    dpkg-query -W "$@" > /dev/null 2>&1 && return
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    [ ! -e "$policy" ] || { install_packages "$@"; return; }
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" > /dev/null
    $sudo chmod +x "$policy"
    local status=0
    install_packages "$@" || status=$?
    $sudo rm -f "$policy"
    return $status
}
# shellcheck disable=SC2086
install_packages $build_packages libcmocka-dev clang-format hdf5-tools \
    python3 python3-numpy python3-scipy python3-h5py python3-pandas python3-xarray python3-netcdf4 \
    python3-pil python3-torch python3-onnx libheif-examples chromium chromium-driver python3-selenium \
    python3-tables python3-matplotlib r-cran-hdf5r zsh groff-base mandoc
install_without_starting munge slurmctld slurmd slurm-client iproute2 shellcheck strace

tests/check_format.sh
tests/check_files.sh

status=0 jobs=$(nproc)
jobs=$((jobs < 4 ? jobs : 4))
for preset in $presets; do
    echo "== $preset"
    mkdir -p build
    cmake --preset "$preset" -DATELIER_TESTS=ON "-DATELIER_WERROR=${CI:+ON}" > "build/$preset.log" 2>&1 || { cat "build/$preset.log"; exit 1; }
    cmake --build --preset "$preset"
    ctest --preset "$preset" --parallel "$jobs" --timeout 1800 || status=1
done
exit $status
