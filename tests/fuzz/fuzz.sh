#!/usr/bin/env bash
# Fuzzes a reader of weight files with clang's libFuzzer under AddressSanitizer and UBSan, from
# corpus/NAME on. What it finds stays in FOLDER; a crash ends it with its input there.
#   tests/fuzz/fuzz.sh NAME SECONDS [FOLDER]     NAME: safetensors, caffe, onnx, ...
set -euo pipefail
cd "$(dirname "$0")"
name=$1 seconds=$2 folder=${3:-$(mktemp -d)}
mkdir -p "$folder/corpus" "$folder/objects"
flags="-std=gnu11 -D_GNU_SOURCE -g -O1 -Wno-source-uses-openmp -I../../weights -I../../core
    -fsanitize=address,undefined -fno-sanitize-recover=undefined"

# A library, so that a target links with no more than it needs.
for source in ../../weights/*.c ../../core/{error,vgg19,words,digest}.c; do
    case $source in */keras.c | */checked_hdf5.c) continue ;; esac
    # shellcheck disable=SC2086  # word splitting is meant
    clang $flags -fsanitize=fuzzer-no-link -c "$source" -o "$folder/objects/$(basename "$source").o"
done
rm -f "$folder/library.a"
ar rcs "$folder/library.a" "$folder"/objects/*.o
# shellcheck disable=SC2086
clang $flags -fsanitize=fuzzer "fuzz_$name.c" "$folder/library.a" -lcrypto -lm \
    -o "$folder/fuzz_$name"
"$folder/fuzz_$name" -max_total_time="$seconds" -max_len=12000 -use_value_profile=1 -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$folder/" \
    "$folder/corpus" "corpus/$name"
