#!/bin/bash
# Both stages on a real Slurm of three nodes on this machine, disturbed in the middle, against the same on one machine.
#
#   tests/cluster/slurm.sh              DECANT=target/release/decant; as root on Debian, about three minutes
#   tests/cluster/slurm.sh overhead     what Slurm adds to a unit: units that have nothing left to do, as jobs one after
#                                       another and as plain commands
#
# Of stage one's three jobs one is out of time, one's decant is killed, and one loses its node; of the sweep's, one is
# queued again by hand and one's decant is killed. The cache, the runs and the results must be the same bytes.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
DECANT=$(realpath "${DECANT:-$root/target/release/decant}")
export DECANT
work=$(mktemp -d "${TMPDIR:-/tmp}/decant-slurm.XXXXXX")
slurm=$work/slurm
# shellcheck source=tests/cluster/slurm_up.sh
source "$root/tests/cluster/slurm_up.sh"

fail() {
    echo "slurm.sh: $*; see $work" >&2
    exit 1
}

# Until the command succeeds, for this many seconds.
within() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || fail "waited in vain for: $*"
        hurry
        sleep 0.2
    done
}

queue_is_empty() {
    [ -z "$(squeue -h)" ]
}

# How many files the pattern names; quoted, so that it is expanded each time.
at_least() {
    [ "$(compgen -G "$2" | wc -l)" -ge "$1" ]
}

decant_on() {
    local pid
    for pid in $(processes_of "$1"); do
        case $(ps -o comm= "$pid") in decant*) echo "$pid" && return ;; esac
    done
    return 1
}

node_of() {
    squeue -h -t running -j "$1" -o %N
}

job_of() {
    awk -v what="$1" '$1 == what { print $NF }' submitted
}

runs_on_a_node() {
    local node
    node=$(node_of "$1")
    [ -n "$node" ] && decant_on "$node" >/dev/null
}

# Halts the decant of each job where it is, so that none ends before it is disturbed.
freeze() {
    local job
    for job in "$@"; do
        kill -STOP "$(decant_on "$(node_of "$job")")" || fail "job $job ended too early to be disturbed"
    done
}

disturb_stage_one() {
    local job
    job=$(job_of stage)
    within 120 at_least 2 'cache/*/*/part-*.parquet'
    freeze "${job}_0" "${job}_1" "${job}_2"
    kill_node "$(node_of "${job}_2")"
    kill -9 "$(decant_on "$(node_of "${job}_1")")"
    scancel --batch --signal=USR1 "${job}_0"
    kill -CONT "$(decant_on "$(node_of "${job}_0")")"
    echo "stage one: one job out of time, one killed, one without its node"
}

disturb_sweep() {
    local job
    job=$(job_of sweep)
    within 300 at_least 2 'runs/*/metrics.jsonl'
    freeze "${job}_0" "${job}_1"
    kill -9 "$(decant_on "$(node_of "${job}_1")")"
    # Slurm sends SIGCONT by itself.
    scontrol requeue "${job}_0"
    echo "sweep: one job queued again, one killed"
}

was_restarted() {
    local restarts
    restarts=$(scontrol show job "$1" | sed -n 's/.*Restarts=\([0-9]*\).*/\1/p')
    [ "${restarts:-0}" -gt 0 ] || fail "job $1 should have been restarted"
}

# All but times, which TensorBoard's events hold as well.
same() {
    diff -r --exclude=timing.json --exclude=timing.csv --exclude='events.out.*' "../one/$1" "$1" ||
        fail "$1 differs from one machine's"
}

# Two folders, for a run's record names its folders.
prepare() {
    local folder
    for folder in one many; do
        mkdir "$work/$folder"
        cp "$root/tests/cluster/cluster.toml" "$work/$folder"
        ln -s "$root/.onnxruntime" "$work/$folder"
    done
    cd "$work/many"
    slurm_up
    trap slurm_down EXIT
}

disturbed() {
    prepare
    (cd ../one && "$DECANT" teacher-cache -p cluster.toml && "$DECANT" sweep -p cluster.toml) >../one.log

    PARTS=3 "$root/pipelines/cluster/submit.sh" -p cluster.toml | tee submitted
    disturb_stage_one
    disturb_sweep
    within 600 queue_is_empty
    for task in 0 1 2; do
        was_restarted "$(job_of stage)_$task"
    done
    was_restarted "$(job_of sweep)_0"
    was_restarted "$(job_of sweep)_1"
    same cache
    same runs
    same sweeps
    echo "$(slurmctld -V), ${#nodes[@]} nodes: the cache, the runs and the results are one machine's, byte by byte"
    cleanup
}

seconds_of() {
    local start=$EPOCHREALTIME
    "$@" >/dev/null
    awk -v start="$start" -v end="$EPOCHREALTIME" 'BEGIN { printf "%.2f", end - start }'
}

units=24

plain_units() {
    local unit
    for ((unit = 0; unit < units; unit++)); do
        "$DECANT" teacher-cache -p cluster.toml --shard "$unit/$units"
    done
}

overhead() {
    prepare
    "$DECANT" teacher-cache -p cluster.toml >/dev/null
    local plain jobs
    plain=$(seconds_of plain_units)
    jobs=$(DECANT_CLUSTER=$root/pipelines/cluster seconds_of sbatch --wait --output=/dev/null "--array=0-$((units - 1))%1" \
        "$root/pipelines/cluster/teacher-cache.sbatch" -p cluster.toml)
    awk -v slurm="$(slurmctld -V)" -v units="$units" -v plain="$plain" -v jobs="$jobs" 'BEGIN {
        printf "%s: %d units with nothing to do took %.2f s as plain commands and %.2f s as jobs, %.0f ms more a unit\n",
            slurm, units, plain, jobs, 1000 * (jobs - plain) / units }'
    cleanup
}

cleanup() {
    slurm_down
    trap - EXIT
    cd /
    rm -rf "$work"
}

case ${1:-disturbed} in
    disturbed) disturbed ;;
    overhead) overhead ;;
    *) fail "expected overhead or nothing, found $1" ;;
esac
