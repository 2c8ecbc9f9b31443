"""What Ray adds to a unit: units that have nothing left to do, as tasks one after another and as plain commands.

    .venv/ray/bin/python tests/cluster/ray_overhead.py        after make cluster-ray; DECANT=target/release/decant
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (Ray's own spelling)
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

import ray
from ray_cluster import DECANT, SCRIPT, prepare

# For this process and for Ray's workers.
sys.path.insert(0, str(SCRIPT.parent))
os.environ["PYTHONPATH"] = str(SCRIPT.parent)

import ray_decant

UNITS = 24


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="decant-ray.") as work:
        folder = prepare(Path(work), "one")
        stage_one = ["teacher-cache", "-p", "cluster.toml"]
        units = [ray_decant.Unit(f"unit-{i}", [*stage_one, "--shard", f"{i}/{UNITS}"]) for i in range(UNITS)]
        plain(folder, [ray_decant.Unit("all", stage_one)])
        alone = plain(folder, units)

        ray.init(num_cpus=1, object_store_memory=80 * 1024 * 1024, include_dashboard=False, logging_level="warning")
        setting = ray_decant.Setting(DECANT, folder, folder / "cluster.toml", folder / "cluster.toml", {})
        task = ray.remote(num_cpus=1)(ray_decant.do_unit)
        stop = ray_decant.Stop()
        ray_decant.run_units("first", units[:1], setting, task, 1, stop)
        start = time.monotonic()
        if ray_decant.run_units("units", units, setting, task, 1, stop):
            sys.exit("a unit failed")
        tasks = time.monotonic() - start
    took = f"took {alone:.2f} s as plain commands and {tasks:.2f} s as tasks"
    print(f"Ray {ray.__version__}: {UNITS} units with nothing to do {took}, {1000 * (tasks - alone) / UNITS:.0f} ms more a unit")


def plain(folder: Path, units: list[ray_decant.Unit]) -> float:
    """Seconds that these take one after another."""
    start = time.monotonic()
    for unit in units:
        subprocess.run([DECANT, *unit.command], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
