"""Writes runs into a file store of MLflow with `python -m decant.mlflow`, and reads them back with MLflow's own client.

    python tests/interop/read_mlflow.py RUNS
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# MLflow 3.7 and later want to be asked for it.
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["PYTHONPATH"] = str(Path(__file__).parents[2] / "python")

from mlflow import MlflowClient  # noqa: E402


def main(runs: Path) -> None:
    finished = sorted(result.parent for result in runs.glob("*/result.json"))
    with tempfile.TemporaryDirectory() as folder:
        store = (Path(folder) / "mlruns").as_uri()

        command = [sys.executable, "-m", "decant.mlflow", str(runs), "--tracking-uri", store]

        def write() -> list[str]:
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

        write()
        assert all(line.endswith("is there already") for line in write())
        client = MlflowClient(store)
        name = json.loads((finished[0] / "run.json").read_text())["pipeline"]["name"]
        found = client.search_runs([client.get_experiment_by_name(name).experiment_id])
        assert len(found) == len(finished), found
        for run in finished:
            described, result = (json.loads((run / file).read_text()) for file in ("run.json", "result.json"))
            [read] = [one for one in found if one.data.tags["decant.key"] == described["key"]]
            assert read.info.status == "FINISHED" and read.info.end_time >= read.info.start_time
            assert read.data.params["train.lambda"] == str(described["pipeline"]["train"]["lambda"]), read.data.params
            assert abs(read.data.metrics["best/test/accuracy"] - result["test"]["accuracy"]) < 1e-9
            log = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
            curve = client.get_metric_history(read.info.run_id, "validation/accuracy")
            assert [(point.step, point.value) for point in curve] == [(one["step"], one["validation"]["accuracy"]) for one in log]
            artifacts = {file.path for file in client.list_artifacts(read.info.run_id)}
            assert artifacts == {"run.json", "result.json", "student"}, artifacts
            files = {file.path for file in client.list_artifacts(read.info.run_id, "student")}
            assert "student/model.safetensors" in files, files
            if (run / "label.json").is_file():
                label = json.loads((run / "label.json").read_text())
                assert read.info.run_name == label["name"]
                assert {f"decant.tag.{tag}" for tag in label["tags"]} <= set(read.data.tags), read.data.tags
        damaged = Path(folder) / "runs" / finished[0].name
        shutil.copytree(finished[0], damaged)
        text = (damaged / "result.json").read_text()
        (damaged / "result.json").write_text(text.replace('"seed": ', '"seed": 1', 1))
        refused = subprocess.run([*command[:3], str(damaged), *command[4:]], capture_output=True, text=True)
        assert refused.returncode == 3 and "result.json is damaged" in refused.stderr, refused
    print(f"mlflow reads {len(finished)} runs")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
