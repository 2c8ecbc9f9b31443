# shellcheck shell=bash
# What the job scripts beside this file share: run one decant command as this Slurm job, and come back where it must.
#
#   run_decant ARGS...      ends the job with decant's exit code, or puts it back into the queue
#
# - Before the time limit Slurm sends USR1 to the script (#SBATCH --signal=B:USR1@120). decant gets SIGTERM, saves what is
#   done, exits with 130, and the job is put back into the queue. It goes on from there, as often as it takes.
# - Preempted or on a node that fails: Slurm itself queues the job again (#SBATCH --requeue).
# - Killed by force, such as by the kernel for memory: back into the queue, at most DECANT_KILLS (3) times.
# - scancel: SIGTERM from Slurm, decant saves what is done, and the job stays cancelled.

decant=${DECANT:-decant}

say() {
    echo "$(basename "${SLURM_JOB_NAME:-job}") on ${SLURMD_NODENAME:-this node}: $*" >&2
}

back_into_the_queue() {
    local id=${SLURM_ARRAY_JOB_ID:-}
    id=${id:+${id}_$SLURM_ARRAY_TASK_ID}
    say "$1; it is queued again and goes on from what is done"
    scontrol requeue "${id:-$SLURM_JOB_ID}"
}

run_decant() {
    if [ -n "${SLURM_SUBMIT_DIR:-}" ] && [ "$PWD" != "$SLURM_SUBMIT_DIR" ]; then
        say "$SLURM_SUBMIT_DIR, which the job was submitted from, is not there; submit from a folder that every node shares"
        exit 2
    fi
    if ! command -v "$decant" >/dev/null; then
        say "there is no $decant on PATH; set DECANT to a binary in a folder that every node shares"
        exit 2
    fi
    # Threads as granted, where nothing binds the job to its cores.
    export RAYON_NUM_THREADS=${RAYON_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}

    local pid code warned=
    "$decant" "$@" &
    pid=$!
    trap 'warned=yes; kill -TERM "$pid" 2>/dev/null' USR1
    # Slurm signals decant as well; a second SIGTERM from here would stop it before it has saved.
    trap : TERM
    code=0
    wait "$pid" || code=$?
    # A trap ends wait early.
    while kill -0 "$pid" 2>/dev/null; do
        wait "$pid" || true
    done
    wait "$pid" && code=0 || code=$?

    if [ "$code" -eq 130 ] && [ -n "$warned" ]; then
        back_into_the_queue "out of time"
    elif [ "$code" -eq 137 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt "${DECANT_KILLS:-3}" ]; then
        back_into_the_queue "decant was killed"
    fi
    exit "$code"
}
