"""What ray_decant.py promises about units, with a stand-in for decant whose units die, fail or wait as they are told.

make cluster-ray runs it, in seconds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (Ray's own spelling)
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

from ray.cluster_utils import Cluster

SCRIPT = Path(__file__).resolve().parents[2] / "pipelines/cluster/ray_decant.py"
STAND_IN = f"""#!{sys.executable}
import os, pathlib, signal, sys, time
what = sys.argv[1]
if what == "plan":
    print(pathlib.Path("plan.json").read_text())
elif what == "sees":
    pathlib.Path(sys.argv[2]).write_text(os.environ["CUDA_VISIBLE_DEVICES"])
    while len(list(pathlib.Path().glob("sees-*"))) < 2:
        time.sleep(0.1)
elif what == "dies-once" and not pathlib.Path("died").exists():
    pathlib.Path("died").touch()
    os.kill(os.getpid(), signal.SIGKILL)
elif what == "fails":
    print(*(f"line {{number}}" for number in range(100)), sep="\\n", file=sys.stderr)
    sys.exit(int(sys.argv[2]))
elif what == "waits":
    signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path("saved").touch(), sys.exit(130)))
    pathlib.Path("waiting").touch()
    time.sleep(60)
else:
    pathlib.Path(what).touch()
"""


class Driver(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        memory = 80 * 1024 * 1024
        node = {"num_cpus": 2, "num_gpus": 2, "object_store_memory": memory, "include_dashboard": False}
        cls.cluster = Cluster(initialize_head=True, head_node_args=node)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.cluster.shutdown()

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="decant-ray.")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "pipeline.toml").touch()
        (self.folder / "decant").write_text(STAND_IN)
        (self.folder / "decant").chmod(0o755)

    def start(self, units: list[list[str]], *more: str, done: tuple[int, ...] = ()) -> subprocess.Popen:
        """The driver with these units in stage one and no sweep."""
        stage_one = [
            {"id": f"unit-{index}", "command": command, "done": index in done} for index, command in enumerate(units)
        ]
        cache = {"dir": "cache/leaves-0123", "complete": False}
        plan = {"cache": cache, "stage_one": stage_one, "close": ["close"], "sweep": None}
        (self.folder / "plan.json").write_text(json.dumps(plan))
        command = [sys.executable, SCRIPT, "-p", "pipeline.toml", "--address", self.cluster.address, "--cpus", "1"]
        decant = ["--decant", self.folder / "decant", *more]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([*command, *decant], cwd=self.folder, **pipes)

    def run_units(self, units: list[list[str]], *more: str, done: tuple[int, ...] = ()) -> tuple[int, str, str]:
        driver = self.start(units, *more, done=done)
        out, err = driver.communicate(timeout=240)
        return driver.returncode, out, err

    def test_units_that_are_done_are_skipped_and_the_cache_is_closed_after_the_others(self) -> None:
        code, out, err = self.run_units([["first"], ["second"]], done=(0,))
        self.assertEqual(code, 0, err)
        self.assertFalse((self.folder / "first").exists())
        self.assertTrue((self.folder / "second").exists() and (self.folder / "close").exists())
        self.assertIn("1/1  unit-1", out)
        self.assertEqual(list(self.folder.glob("cache/.*")), [], "the mark is gone")

    def test_each_of_two_units_has_a_gpu_of_its_own_as_its_first_device(self) -> None:
        code, _, err = self.run_units([["sees", "sees-0"], ["sees", "sees-1"]], "--gpus", "1")
        self.assertEqual(code, 0, err)
        self.assertEqual({path.read_text() for path in self.folder.glob("sees-*")}, {"0", "1"})

    def test_a_unit_that_is_killed_is_tried_again(self) -> None:
        code, out, err = self.run_units([["dies-once"]])
        self.assertEqual(code, 0, err)
        self.assertTrue((self.folder / "died").exists() and (self.folder / "close").exists(), out)

    def test_a_unit_that_fails_shows_its_last_lines_and_the_others_go_on(self) -> None:
        code, _, err = self.run_units([["fails", "1"], ["second"]])
        self.assertEqual(code, 1)
        self.assertIn("unit-0 failed", err)
        self.assertIn("  line 99\n", err)
        self.assertNotIn("line 50", err)
        self.assertTrue((self.folder / "second").exists())
        self.assertFalse((self.folder / "close").exists())

    def test_bad_input_ends_everything_at_once(self) -> None:
        code, _, err = self.run_units([["waits"], ["fails", "2"], ["third"], ["fourth"]])
        self.assertEqual(code, 2, err)
        self.assertIn("unit-1 failed", err)
        self.assertFalse((self.folder / "close").exists())

    def test_sigterm_lets_units_save_their_state(self) -> None:
        driver = self.start([["waits"]])
        deadline = time.monotonic() + 120
        while not (self.folder / "waiting").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        driver.send_signal(signal.SIGTERM)
        _, err = driver.communicate(timeout=120)
        self.assertEqual(driver.returncode, 130, err)
        self.assertTrue((self.folder / "saved").exists())

    def test_a_node_that_does_not_share_the_folder_is_named(self) -> None:
        sys.path.insert(0, str(SCRIPT.parent))
        import ray_decant

        missing = self.folder / "elsewhere/.ray-0123"
        setting = ray_decant.Setting("decant", self.folder, self.folder / "pipeline.toml", missing, {})
        outcome = ray_decant.do_unit(setting, ray_decant.Unit("unit", ["first"]), 1)
        self.assertEqual(outcome.code, 2)
        self.assertRegex(outcome.tail[0], "does not see .*elsewhere/.ray-0123; it must lie in a folder that every node shares")


if __name__ == "__main__":
    unittest.main()
