#!/usr/bin/env bash
# Nobody opens, makes, moves or removes a file past core/files (no links, no FIFOs, nothing that others
# could have put there), but for the places listed here, each with its reason. A call that is not
# listed, or an entry without a call, is an error.
set -euo pipefail
cd "$(dirname "$0")/.."

calls='open|openat|creat|fopen|freopen|opendir|rename|renameat|renameat2|link|linkat|symlink|symlinkat'
calls+='|unlink|unlinkat|remove|rmdir|mkdir|mkdirat|mkdtemp|mkstemp|mkostemp|mkfifo|truncate|nftw'

# file, calls (a regular expression), reason
allowed() {
    cat << 'END'
core/files.c             .*                the module itself
core/publish.c           .*                the module's other half: files that appear whole
jobs/job_publish.c       .*                works on names below open folders, by its own rules
cmd/scratch.c            openat|mkdtemp    private folders, looked at through their descriptors
core/digest.c            open              what a person names, over links too; FIFOs are refused
core/image_read.c        open              what a person names, over links too; FIFOs are refused
core/image_mark.c        fopen             what a person names; looked at before
jobs/job_text.c          open              what a person names, a pipe perhaps
jobs/hdf5_probe.c        openat            what a person names, over links too; else below an open folder
jobs/store.c             openat            folders of a store, below one that is open
jobs/claim.c             unlinkat          below an open folder
jobs/claim.c             open|fopen        /proc
jobs/calibration_measure.c mkdtemp|unlink|rmdir  a private folder of its own
jobs/calibration.c       fopen             /proc
core/memory.c            fopen             /proc and /sys
mpi/child.c              fopen             /proc
mpi/host.c               fopen             /proc and /sys
core/guarded.c           fopen|open        /proc and /dev/null
core/checked_hdf5.c      open              what a person names, over links too; FIFOs are refused
weights/file_map.c       openat|open         weights that a person names, over links too
weights/weights.c        open              weights that a person names, over links too
weights/onnx_tensor.c    openat            data beside a model, not over links
cmd/inheritance.c        open              /dev/null
cmd/launch.c             open              /dev/null
cmd/submit.c             rmdir             empty folders that this submission has made
cmd/help.c               fopen             pages for a folder that a person names
END
}

found=$(git ls-files 'core/*.c' 'weights/*.c' 'jobs/*.c' 'mpi/*.c' 'slurm/*.c' 'cmd/*.c' |
    xargs grep -nE "(^|[^A-Za-z0-9_>.])($calls)\(" | grep -vE '^[^:]+:[0-9]+: *(\*|/\*)' || true)
status=0
while IFS= read -r hit; do
    [ -n "$hit" ] || continue
    file=${hit%%:*}
    while IFS= read -r call; do
        allowed | awk -v file="$file" -v call="$call" \
            '$1 == file && call ~ "^(" $2 ")$" { found = 1 } END { exit !found }' ||
            { echo "$hit: $call() past core/files" >&2; status=1; }
    done < <(grep -oE "(^|[^A-Za-z0-9_>.])($calls)\(" <<< "${hit#*:*:}" | grep -oE "($calls)\(" | tr -d '(')
done <<< "$found"
while read -r file call _; do
    grep -qE "^$file:.*(^|[^A-Za-z0-9_>.])($call)\(" <<< "$found" ||
        { echo "$file: $call is listed here and not called there any more" >&2; status=1; }
done < <(allowed | sed 's/ \.\* / [a-z0-9]+ /')
exit $status
