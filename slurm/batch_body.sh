# --- from here on it is the same in every script ---

say() { echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) atelier: $*"; }

# What this machine needs first: modules, conda, Spack.
if [ -n "$setup" ]; then
    # shellcheck disable=SC1090
    . "$setup" || { say "the setup file '$setup' failed"; exit 3; }
fi

# The end of this allocation, which may be shorter than what was asked for.
end=${SLURM_JOB_END_TIME:-}
if [ -z "$end" ] && [ -n "${SLURM_JOB_ID:-}" ]; then
    end=$(date -d "$(squeue -h -j "$SLURM_JOB_ID" -o %e)" +%s 2>/dev/null) || end=
fi
deadline=()
if [ -n "$end" ] && [ "$end" -gt "$(date +%s)" ]; then
    left=$((end - $(date +%s) - reserve))
    [ "$left" -gt 0 ] || left=1
    deadline=(--deadline "${left}s")
fi

# Steps that mpirun starts outlive the loss of another node (the job has --no-kill), and see as many
# processors as a worker has.
export SLURM_NO_KILL=set
[ -z "${SLURM_CPUS_PER_TASK:-}" ] || export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK

restarts=$((${SLURM_RESTART_COUNT:-0} + ${ATELIER_RESTARTS:-0}))
before=$("$atelier" submit --advance "$store")
say "start $restarts on ${SLURM_JOB_NODELIST:-$(hostname)}: $before${deadline[1]:+, ${deadline[1]} to go}"

# Slurm signals this shell alone (B:), since it does not reach what mpirun starts here. USR1: the
# time is nearly up. USR2: `atelier submit --cancel`. TERM: scancel, or the time is up.
asked='' ended='' batch='' early=''
tell() { kill -s "$1" "$batch" 2>/dev/null; }
# shellcheck disable=SC2317 # the traps call it
forward() {
    say "SIG$1"
    asked=$1
    [ "$1" = USR1 ] || ended=$1
    if [ -n "$batch" ]; then tell "${2:-$1}"; else early=${2:-$1}; fi
}
trap 'forward USR1' USR1
trap 'forward USR2 USR1' USR2
trap 'forward TERM' TERM

"$atelier" batch "$sweep" --output "$store" "${arguments[@]}" "${deadline[@]}" &
batch=$!
[ -z "$early" ] || tell "$early"
while :; do
    asked=''
    wait "$batch"
    code=$?
    [ -n "$asked" ] || break
done
trap : USR1 USR2 TERM

after=$("$atelier" submit --advance "$store")
say "ended with $code: $after"
[ "$code" -eq 75 ] || [ "$code" -eq 3 ] || exit "$code"

# A disk that is full, a mount that is stale: later, or on other nodes, it may be over. That is tried
# a few times even if nothing came further.
hope=3

# Interrupted, or in trouble: on with it, if that leads anywhere.
if [ -n "$ended" ]; then
    say "told to end by SIG$ended: not started again"
elif [ -z "${SLURM_JOB_ID:-}" ]; then
    say "the same script goes on"
elif [ "$after" = "$before" ] && [ "$code" -eq 75 ]; then
    say "nothing was finished and no checkpoint came further: not started again; more --time is needed"
elif [ "$after" = "$before" ] && [ "$restarts" -ge "$hope" ]; then
    say "nothing came further after $restarts restarts: not started again"
elif [ "$restarts" -ge "$restarts_most" ]; then
    say "started again $restarts times, which is the most (--restarts): not again"
elif scontrol requeue "$SLURM_JOB_ID"; then
    sleep 60 # Slurm ends this script and queues the job again
elif next=$(ATELIER_RESTARTS=$((restarts + 1)) sbatch --parsable --dependency="afterany:$SLURM_JOB_ID" "$script"); then
    echo "${next%%;*}" >> "$store/slurm/jobs"
    say "this job may not be requeued: job ${next%%;*} goes on after it"
else
    say "could neither requeue this job nor submit another: the same script goes on"
fi
exit "$code"
