# shellcheck shell=bash
# A real Slurm on this machine only: slurmctld, munge and three slurmd, all under $slurm, without systemd or cgroups.
#
#   slurm_up            starts it (as root, installing Debian's packages where they are missing) and exports SLURM_CONF
#   slurm_down          ends it
#   processes_of NODE   the ids of what runs in jobs on that node
#   kill_node NODE      as if the node had lost power
#   hurry               starts jobs that wait only because they were queued again

slurm=${slurm:?the folder of the cluster}
nodes=(node1 node2 node3)

slurm_up() {
    local port=${SLURM_PORT:-16817} node
    [ "$(id -u)" -eq 0 ] || { echo "slurmd needs root to start jobs" >&2; exit 2; }
    if ! command -v slurmctld slurmd munged >/dev/null; then
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends slurmctld slurmd slurm-client munge
    fi
    mkdir -p "$slurm"/{state,log,munge}
    dd if=/dev/urandom of="$slurm/munge/key" bs=128 count=1 status=none
    chmod 600 "$slurm/munge/key"
    cat >"$slurm/slurm.conf" <<CONF
ClusterName=decant
SlurmctldHost=localhost
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$slurm/munge/socket
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=5
StateSaveLocation=$slurm/state
SlurmdSpoolDir=$slurm/spool-%n
SlurmctldPidFile=$slurm/slurmctld.pid
SlurmdPidFile=$slurm/%n.pid
SlurmctldLogFile=$slurm/log/slurmctld
SlurmdLogFile=$slurm/log/%n
ReturnToService=2
SlurmdTimeout=10
SlurmdParameters=config_overrides
PartitionName=main Nodes=ALL Default=YES State=UP
CONF
    for node in "${nodes[@]}"; do
        echo "NodeName=$node NodeHostname=localhost NodeAddr=127.0.0.1 Port=$((++port)) CPUs=2" >>"$slurm/slurm.conf"
        mkdir -p "$slurm/spool-$node"
    done
    export SLURM_CONF=$slurm/slurm.conf
    munged --force --socket="$slurm/munge/socket" --key-file="$slurm/munge/key" --log-file="$slurm/munge/log" \
        --pid-file="$slurm/munge.pid" --seed-file="$slurm/munge/seed" 2>/dev/null
    slurmctld
    for node in "${nodes[@]}"; do
        slurmd -N "$node"
    done
    for _ in {1..60}; do
        [ "$(sinfo -h -N -t idle 2>/dev/null | wc -l)" -eq ${#nodes[@]} ] && return
        sleep 0.5
    done
    echo "the Slurm nodes did not come up, see $slurm/log" >&2
    exit 1
}

slurm_down() {
    local node pid
    scancel -u root 2>/dev/null || true
    for node in "${nodes[@]}"; do
        for pid in $(processes_of "$node"); do
            kill -9 "$pid" 2>/dev/null || true
        done
    done
    cat "$slurm"/*.pid | while read -r pid; do
        kill "$pid" 2>/dev/null || true
        # A daemon that saves its state does so into a folder that is to be deleted.
        timeout 30 tail --pid="$pid" -f /dev/null || true
    done
}

processes_of() {
    local environ
    grep -lzsx "SLURMD_NODENAME=$1" /proc/[0-9]*/environ | while read -r environ; do
        if grep -qzsx "SLURM_CONF=$SLURM_CONF" "$environ"; then
            basename "$(dirname "$environ")"
        fi
    done
}

kill_node() {
    local pid parent
    kill -9 "$(cat "$slurm/$1.pid")"
    for pid in $(processes_of "$1"); do
        # The slurmstepd that started the job's script would report what becomes of the job.
        parent=$(ps -o ppid= "$pid" | tr -d ' ')
        if [ -n "$parent" ] && [ "$(ps -o comm= "$parent")" = slurmstepd ]; then
            kill -9 "$parent"
        fi
        kill -9 "$pid" 2>/dev/null || true
    done
}

# Slurm has a job that is queued again wait for two minutes, until its old credential is forgotten. A node refuses the job
# within a second or so of ending it; after five a test need not wait.
hurry() {
    local job begin
    squeue -h -r -t pending -o '%i %S %r' | sed -n 's/ BeginTime$//p' | while read -r job begin; do
        begin=$(date -d "$begin" +%s 2>/dev/null) || continue
        if [ "$begin" -gt "$(($(date +%s) + 10))" ]; then
            scontrol update jobid="$job" StartTime=now+5 2>/dev/null || true
        fi
    done
}
