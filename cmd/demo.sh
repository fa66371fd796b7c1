#!/usr/bin/env bash
# Installs what is missing, builds atelier, and renders a small sweep of the sample pictures on two
# ranks.
set -euo pipefail
cd "$(dirname "$0")/.."

. cmd/packages.sh
# shellcheck disable=SC2086
install_packages $build_packages
cmake --preset release > /dev/null
cmake --build --preset release

out=build/demo
mkdir -p "$out"
build/release/atelier batch tests/samples/demo.yaml --output "$out/sweep" --ranks 2
build/release/atelier report "$out/sweep" --quiet

echo
echo "The pictures side by side, with their loss curves: open $PWD/$out/sweep/report.html in a browser."
echo "The store is $PWD/$out/sweep; its pictures:"
find "$out/sweep/jobs" -name '*.png' | sort
echo "The loss histories are beside them (.h5). The same command again renders nothing;"
echo "add a style to tests/samples/demo.yaml and it renders only what is new."
