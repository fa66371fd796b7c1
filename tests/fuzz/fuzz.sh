#!/usr/bin/env bash
# Fuzzes what reads foreign bytes (weights, pictures, sweep files, manifests, the files of a store,
# conditions, parameters, messages) with clang's libFuzzer under AddressSanitizer and UBSan, from
# corpus/NAME on. What it finds stays in FOLDER; a crash ends it with its input there. In a FOLDER
# that was used before only what has changed is built anew.
#   tests/fuzz/fuzz.sh NAME SECONDS [FOLDER]     NAME: of a fuzz_NAME.c here. It needs clang and make
set -euo pipefail
cd "$(dirname "$0")"
if [ $# -lt 2 ] || [ ! -e "fuzz_$1.c" ]; then
    sed -n '2,/^set/s/^# //p' "$0" >&2
    exit 2
fi
name=$1 seconds=$2 folder=$(realpath -m "${3:-$(mktemp -d)}")
mkdir -p "$folder/corpus/$name" "$folder/objects"
make -s -j "$(nproc)" -f fuzz.mk NAME="$name" FOLDER="$folder"
export ASAN_OPTIONS=quarantine_size_mb=16 # HDF5 takes a megabyte for each file
export LSAN_OPTIONS=suppressions=$PWD/leaks.supp:print_suppressions=0
"$folder/fuzz_$name" -max_total_time="$seconds" -max_len="${max_len:-12000}" -use_value_profile=1 -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$folder/" \
    "$folder/corpus/$name" "corpus/$name"
