"""Both stages on a real Ray cluster of three nodes on this machine, two of which are killed, against the same on one machine.

    make cluster-ray        DECANT=target/release/decant; one or two minutes on two cores

One node is killed in the middle of stage one, another in the middle of the sweep, and once the whole is stopped by
SIGTERM. The cache, the runs and the results must be the same bytes, but for times.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# Ray's workers are at nice 15 by default, behind everything else on this machine.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (Ray's own spelling)
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray.cluster_utils import Cluster

ROOT = Path(__file__).resolve().parents[2]
DECANT = str(Path(os.environ.get("DECANT", ROOT / "target/release/decant")).resolve())
SCRIPT = ROOT / "pipelines/cluster/ray_decant.py"
TIMES = ("timing.json", "timing.csv", "events.out.")
WAIT_SECONDS = 600


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="decant-ray.") as work:
        one, many = prepare(Path(work), "one"), prepare(Path(work), "many")
        for command in (["teacher-cache"], ["sweep"]):
            subprocess.run([DECANT, *command, "-p", "cluster.toml"], cwd=one, check=True, stdout=subprocess.DEVNULL)
        cluster = Cluster(initialize_head=True, head_node_args=node(cpus=0))
        try:
            nodes = [cluster.add_node(**node(cpus=1)) for _ in range(3)]
            disturb(cluster, nodes, many)
        finally:
            cluster.shutdown()
        for folder in ("cache", "runs", "sweeps"):
            same(one / folder, many / folder)
    print(f"Ray {ray.__version__}: the cache, the runs and the results are one machine's, byte by byte")


def prepare(work: Path, name: str) -> Path:
    folder = work / name
    folder.mkdir()
    shutil.copy(ROOT / "tests/cluster/cluster.toml", folder)
    (folder / ".onnxruntime").symlink_to(ROOT / ".onnxruntime")
    return folder


def node(cpus: int) -> dict:
    return {"num_cpus": cpus, "num_gpus": 0, "object_store_memory": 80 * 1024 * 1024, "include_dashboard": False}


def disturb(cluster: Cluster, nodes: list, many: Path) -> None:
    driver = start(cluster, many)
    until(lambda: any(many.glob("cache/*/*/part-*.parquet")), driver)
    kill(cluster, nodes[0], driver)
    print("killed a node in the middle of stage one", flush=True)
    until(lambda: any(many.glob("runs/*/metrics.jsonl")), driver)
    driver.send_signal(signal.SIGTERM)
    if driver.wait(WAIT_SECONDS) != 130:
        sys.exit(f"the driver ended with {driver.returncode} where 130 was expected")
    if running := [pid for node in nodes[1:] for pid in decants_on(node)]:
        sys.exit(f"these outlived the driver: {running}")
    print("stopped it in the middle of the sweep", flush=True)
    driver = start(cluster, many)
    kill(cluster, nodes[1], driver)
    print("killed a node in the middle of the sweep", flush=True)
    if driver.wait(WAIT_SECONDS) != 0:
        sys.exit(f"the driver ended with {driver.returncode} where 0 was expected")


def start(cluster: Cluster, folder: Path) -> subprocess.Popen:
    command = [sys.executable, SCRIPT, "-p", "cluster.toml", "--address", cluster.address, "--decant", DECANT, "--cpus", "1"]
    return subprocess.Popen(command, cwd=folder)


def until(happened: Callable[[], bool], driver: subprocess.Popen) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not happened():
        if driver.poll() is not None or time.monotonic() > deadline:
            sys.exit("it ended, or nothing happened, before it could be disturbed")
        time.sleep(0.1)


def kill(cluster: Cluster, node: object, driver: subprocess.Popen) -> None:
    """SIGKILL to a node on which a unit runs: the unit must not outlive it for long."""
    until(lambda: decants_on(node), driver)
    running = decants_on(node)
    cluster.remove_node(node, allow_graceful=False)
    until(lambda: not any(lives(pid) for pid in running), driver)


def lives(pid: str) -> bool:
    """Whether a process runs; one that ended and is still listed has no command line."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def decants_on(node: object) -> list[str]:
    """The units that run on a node: children of the workers, which are children of its raylet."""
    workers = children(str(node.all_processes["raylet"][0].process.pid))
    return [pid for worker in workers for pid in children(worker)]


def children(pid: str) -> list[str]:
    return subprocess.run(["pgrep", "-P", pid], text=True, capture_output=True, check=False).stdout.split()


def same(one: Path, many: Path) -> None:
    """Fails where two folders differ in a file's name or bytes, but for times."""
    listed = [sorted(path.relative_to(top) for path in top.rglob("*") if path.is_file()) for top in (one, many)]
    if listed[0] != listed[1]:
        sys.exit(f"{many.name} differs: {set(listed[0]) ^ set(listed[1])}")
    compared = [path for path in listed[0] if not path.name.startswith(TIMES)]
    different = [str(path) for path in compared if not filecmp.cmp(one / path, many / path, shallow=False)]
    if different or not compared:
        sys.exit(f"{many.name} differs: {different}")


if __name__ == "__main__":
    main()
