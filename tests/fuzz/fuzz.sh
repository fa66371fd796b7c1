#!/usr/bin/env bash
# Fuzzes a reader of weight files, or of sweep files and manifests, with clang's libFuzzer under AddressSanitizer and UBSan, from
# corpus/NAME on. What it finds stays in FOLDER; a crash ends it with its input there.
#   tests/fuzz/fuzz.sh NAME SECONDS [FOLDER]     NAME: safetensors, caffe, onnx, ..., sweep, manifest
set -euo pipefail
cd "$(dirname "$0")"
name=$1 seconds=$2 folder=${3:-$(mktemp -d)}
mkdir -p "$folder/corpus" "$folder/objects"
flags="-std=gnu11 -D_GNU_SOURCE -g -O1 -Wno-source-uses-openmp -I../../weights -I../../core -I../../jobs
    $(pkg-config --cflags hdf5 yaml-0.1 zimg libpng libexif jansson) -fsanitize=address,undefined -fno-sanitize-recover=undefined"

# A library, so that a target links with no more than it needs.
sources="../../weights/*.c ../../core/error.c ../../core/vgg19.c ../../core/words.c
    ../../core/digest.c"
libraries="$(pkg-config --libs hdf5 jansson) -lcrypto -lz -lm"
case $name in
sweep | manifest)
    sources="$sources ../../core/layer_list.c ../../core/numbers.c ../../core/params.c
        ../../core/presets.c ../../core/publish.c ../../core/start.c ../../core/memory.c
        ../../core/threads.c ../../core/image_*.c"
    for part in complaint csv_cell identity job_builder job_id job_list job_text manifest name_index \
        sweep sweep_draws sweep_values utf8 yaml_tree; do
        sources="$sources ../../jobs/$part.c"
    done
    libraries="$libraries $(pkg-config --libs hdf5 libcurl yaml-0.1 zimg libpng libjpeg libexif) -lcsv
        $(gcc -print-file-name=libgomp.so)"
    ;;
esac
for source in $sources; do
    # shellcheck disable=SC2086  # word splitting is meant
    clang $flags -fsanitize=fuzzer-no-link -c "$source" -o "$folder/objects/$(basename "$source").o"
done
rm -f "$folder/library.a"
ar rcs "$folder/library.a" "$folder"/objects/*.o
# shellcheck disable=SC2086
clang $flags -fsanitize=fuzzer "fuzz_$name.c" "$folder/library.a" $libraries \
    -o "$folder/fuzz_$name"
export ASAN_OPTIONS=quarantine_size_mb=16 # HDF5 takes a megabyte for each file
"$folder/fuzz_$name" -max_total_time="$seconds" -max_len="${max_len:-12000}" -use_value_profile=1 -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$folder/" \
    "$folder/corpus" "corpus/$name"
