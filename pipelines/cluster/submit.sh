#!/bin/bash
# Both stages of a pipeline as Slurm jobs: an array for the teacher, one that closes the cache, an array for the sweep, one
# that collects its results. Each begins when what it needs has ended well. What is done is not submitted again.
#
#   pipelines/cluster/submit.sh -p FILE [decant's options]         from a folder that every node shares
#
#   DECANT=decant        the binary, on PATH or as a path that holds on every node
#   PARTS=8              tasks of each array, at most as many as there is work; about the number of GPUs that you may use
#   AT_ONCE=8            tasks that run at a time
#   SWEEP_PARTS, SWEEP_AT_ONCE   the same for the sweep, where it should differ
#   DRY_RUN=1            print the commands instead
#
# Resources stand in the three .sbatch files; sbatch's own variables (SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT, ...)
# take precedence over them. decant's options, such as --set, --cache-dir and --runs-dir, are passed on to every job.
set -euo pipefail

fail() {
    echo "submit.sh: $*" >&2
    exit 2
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export DECANT=${DECANT:-decant} DECANT_CLUSTER=$here
parts=${PARTS:-8} at_once=${AT_ONCE:-8}

[ $# -gt 0 ] || fail "say which pipeline: submit.sh -p FILE"
command -v "$DECANT" >/dev/null || fail "there is no $DECANT on PATH; set DECANT to the binary"
command -v sbatch >/dev/null || [ -n "${DRY_RUN:-}" ] || fail "there is no sbatch on PATH; submit from a login node of the cluster"
command -v python3 >/dev/null || fail "there is no python3 on PATH; it reads decant's plan"

plan=$("$DECANT" plan "$@" --units json --no-measure) || exit $?
# The cache's folder, whether it is closed, shards and runs still to do, and rungs of successive halving after these runs.
IFS=$'\t' read -r cache closed shards runs rungs < <(python3 -c '
import json, sys
plan = json.load(sys.stdin)
todo = lambda units: [unit for unit in units if not unit["done"]]
sweep = plan["sweep"] or {"runs": [], "rungs_left": -1}
print(plan["cache"]["dir"], int(plan["cache"]["complete"]), len(todo(plan["stage_one"])), len(todo(sweep["runs"])),
      sweep["rungs_left"], sep="\t")
' <<<"$plan")

# Submits one job and prints its id.
submit() {
    if [ -n "${DRY_RUN:-}" ]; then
        printf '%q ' sbatch "$@" >&2
        echo >&2
        echo ID
    else
        sbatch --parsable "$@" | cut -d';' -f1
    fi
}

after=()
begin_after() {
    after=(--dependency="$1" --kill-on-invalid-dep=yes)
}

array() {
    local tasks=$(($1 < $2 ? $1 : $2))
    echo "--array=0-$((tasks - 1))%$3"
}

cached=
if [ "$closed" -eq 0 ]; then
    if [ "$shards" -gt 0 ]; then
        job=$(submit "$(array "$shards" "$parts" "$at_once")" "$here/teacher-cache.sbatch" "$@")
        echo "stage one  $shards shards  job $job"
        begin_after "afterok:$job"
    fi
    job=$(submit "${after[@]}" "$here/close.sbatch" cache merge "$cache")
    echo "close      $cache  job $job"
    cached=afterok:$job
    begin_after "$cached"
else
    echo "stage one  done before: $cache"
fi

# Once for each rung: who goes on to the next is known when all of one are done. A run that failed is recorded, and the
# others go on without it.
for ((rung = 0; rung <= rungs; rung++)); do
    if [ "$runs" -gt 0 ] || [ "$rungs" -gt 0 ]; then
        job=$(submit "${after[@]}" "$(array "$((runs > 0 ? runs : 1))" "${SWEEP_PARTS:-$parts}" "${SWEEP_AT_ONCE:-$at_once}")" \
            "$here/sweep.sbatch" "$@")
        if [ "$rung" -eq 0 ]; then
            echo "sweep      $runs runs  job $job"
        else
            echo "sweep      rung $rung  job $job"
        fi
        begin_after "${cached:+$cached,}afterany:$job"
    fi
done
if [ "$rungs" -ge 0 ]; then
    job=$(submit "${after[@]}" --job-name=collect "$here/close.sbatch" sweep "$@" --collect)
    echo "collect    job $job"
fi
