#!/usr/bin/env bash
# Three hosts on one machine: network namespaces h1..h3 behind a bridge, each with its own host name.
#   hosts.sh up PREFIX      makes PREFIX1..PREFIX3 and the bridge PREFIX0 at 10.77.0.254
#   hosts.sh down PREFIX    removes them and kills what still runs there
#   hosts.sh run HOST COMMAND...   what Open MPI calls in place of ssh
set -euo pipefail

subnet=10.77.0

up() {
    local name=$1 number
    ip link add "${name}0" type bridge
    ip address add "$subnet.254/24" dev "${name}0"
    ip link set "${name}0" up
    for number in 1 2 3; do
        ip netns add "$name$number"
        ip link add "$name-$number" type veth peer name eth0 netns "$name$number"
        ip link set "$name-$number" master "${name}0" up
        ip -n "$name$number" address add "$subnet.$number/24" dev eth0
        ip -n "$name$number" link set eth0 up
        ip -n "$name$number" link set lo up
    done
}

down() {
    local name=$1 number
    for number in 1 2 3; do
        ip netns pids "$name$number" 2> /dev/null | xargs -r kill -9 2> /dev/null || true
        ip netns delete "$name$number" 2> /dev/null || true
    done
    ip link delete "${name}0" 2> /dev/null || true
}

run() {
    local host=$1
    shift
    exec ip netns exec "$host" unshare --uts sh -c \
        "hostname $host; export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; $*"
}

action=$1
shift
"$action" "$@"
