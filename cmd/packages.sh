# Sourced by demo.sh and the tests: installs Debian or Ubuntu packages that are missing.

build_packages="build-essential cmake ninja-build pkg-config git ca-certificates file
    libdnnl-dev liblbfgs-dev libpng-dev libjpeg-dev libexif-dev liblcms2-dev libwebp-dev libtiff-dev libheif-dev libzimg-dev
    libopenmpi-dev openmpi-bin libssl-dev libhdf5-dev libcurl4-openssl-dev libjansson-dev libcsv-dev libyaml-dev
    libcairo2-dev libfontconfig-dev fonts-dejavu-core zlib1g-dev"

# install_packages NAME...: asks apt only for what is not there; needs root or sudo for that.
install_packages() {
    local missing="" package sudo=""
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    echo "installing:$missing"
    $sudo apt-get update -qq
    # shellcheck disable=SC2086  # word splitting is meant
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing
}
