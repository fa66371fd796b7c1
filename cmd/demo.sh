#!/usr/bin/env bash
# Installs what is missing, builds atelier, and renders a sample picture in the style of another.
set -euo pipefail
cd "$(dirname "$0")/.."

. cmd/packages.sh
# shellcheck disable=SC2086
install_packages $build_packages
cmake --preset release -DATELIER_TESTS=OFF -DATELIER_WERROR=OFF > /dev/null
cmake --build --preset release

out=build/demo
mkdir -p "$out"
for style in ${1:-swirls}; do
    build/release/atelier render \
        --content tests/samples/harbour.jpg --style "tests/samples/$style.jpg" \
        --size 384 --iterations 5 --output "$out/harbour-$style.png"
done
echo
echo "The picture is $PWD/$out/harbour-${1:-swirls}.png"
echo "Its loss history is beside it (.h5); other samples: cmd/demo.sh mosaic, cmd/demo.sh woodcut"
