"""Writes finished runs into MLflow, through its own client, so that any tracking store will do: a file store, a database or a server.

    python -m decant.mlflow runs --tracking-uri http://127.0.0.1:5000
    python -m decant.mlflow runs/photos-0123456789ab --experiment photos

Each run has its settings as parameters, the measures of every epoch and of the result as metrics, its name, tags and key as tags, and
`run.json`, `result.json` and the student (Hugging Face's layout) as artifacts. A run that is there already is left as it is.
Needs the package mlflow (or mlflow-skinny).
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import Damage, Error, Mismatch
from .sealed import parse, parse_line, read_bytes

MEASURES = ("accuracy", "macro_f1", "negative_log_likelihood", "calibration_error", "teacher_agreement", "teacher_kl")
LOSSES = ("train_loss", "ce_loss", "kd_loss", "train_accuracy", "lr")
# Where a run lies and what it is called decides nothing.
PLACES = ("train.dir", "train.name", "train.tags", "cache.dir", "cache.name", "name")
KEY = "decant.key"


def folders(paths: list[Path]) -> list[Path]:
    """The finished runs among `paths` and in the folders of runs among them, each once."""
    found = []
    for path in paths:
        inside = [path] if (path / "run.json").is_file() else sorted(run.parent for run in path.glob("*/run.json"))
        finished = [run for run in inside if (run / "result.json").is_file()]
        if not finished:
            raise Mismatch(f"{path} is neither a finished run nor a folder that holds one")
        found += [run for run in finished if run not in found]
    return found


def flat(value: dict, prefix: str = "") -> dict[str, object]:
    """A nested dictionary by dotted keys."""
    pairs = ((f"{prefix}{key}", inner) for key, inner in value.items() if inner is not None)
    return {name: leaf for key, inner in pairs for name, leaf in (flat(inner, f"{key}.") if isinstance(inner, dict) else {key: inner}).items()}


def measures(metrics: dict, split: str) -> dict[str, float]:
    return {f"{split}/{name}": metrics[name] for name in MEASURES if metrics.get(name) is not None}


@dataclass(frozen=True)
class Run:
    """The files of a finished run, read and found sound."""

    folder: Path
    described: dict
    result: dict
    timing: dict
    label: dict
    epochs: list[dict]

    @classmethod
    def read(cls, folder: Path) -> "Run":
        """Raises `Damage` where a file's bytes are not those that its checksum is of. decant 0.1.0 wrote none."""
        head = read_bytes(folder / "run.json") or b"{}"
        is_sealed = b'"checksum"' in head[-100:]

        def one(name: str) -> dict:
            data = read_bytes(folder / name)
            if data is None:
                return {}
            return parse(folder / name, data) if is_sealed else json.loads(data)

        lines = (read_bytes(folder / "metrics.jsonl") or b"").splitlines()
        epochs = [parse_line(folder / "metrics.jsonl", line) if is_sealed else json.loads(line) for line in lines]
        label = read_bytes(folder / "label.json")
        return cls(folder, one("run.json"), one("result.json"), one("timing.json"), json.loads(label) if label else {}, epochs)

    def settings(self) -> dict[str, object]:
        imported, pipeline = self.described.get("imported"), flat(self.described["pipeline"])
        decided = imported["settings"] if imported else {key: value for key, value in pipeline.items() if key not in PLACES}
        return {**decided, "teacher": self.described["teacher"], "device": self.described["device"]}

    def points(self) -> list[tuple[str, float, int]]:
        """Name, value and step of each measure: of every epoch, then of the result."""
        points = []
        for record in self.epochs:
            values = measures(record["validation"], "validation")
            values |= {f"train/{key}": record[key] for key in LOSSES if record.get(key) is not None}
            points += [(key, value, record["step"]) for key, value in values.items()]
        last = self.epochs[-1]["step"] if self.epochs else 0
        for split in ("validation", "test"):
            if self.result.get(split):
                points += [(f"best/{key}", value, last) for key, value in measures(self.result[split], split).items()]
        return [*points, ("parameters", self.result["parameters"], last), ("seconds", self.timing.get("seconds", 0), last)]


def log(client: Any, run: Run, experiment: str | None = None) -> str | None:
    """Writes one run, and gives MLflow's id of it; nothing where that run is there already."""
    from mlflow.entities import Metric, Param, RunTag

    name, key = experiment or run.described["pipeline"]["name"], run.described["key"]
    known = client.get_experiment_by_name(name)
    group = known.experiment_id if known else client.create_experiment(name)
    if client.search_runs([group], f"tags.`{KEY}` = '{key}'", max_results=1):
        return None
    end = int(1000 * (run.folder / "result.json").stat().st_mtime)
    start = end - int(1000 * run.timing.get("seconds", 0))
    written = client.create_run(group, start_time=start, run_name=run.label.get("name") or run.folder.name).info.run_id
    metrics = [Metric(key, float(value), end, step) for key, value, step in run.points()]
    params = [Param(key, str(value)[:6000]) for key, value in sorted(run.settings().items())]
    tags = {KEY: key, "decant.version": run.described["decant"], "decant.cache_content": run.described["cache_content"]}
    tags |= {f"decant.tag.{tag}": "true" for tag in run.label.get("tags", [])}
    for first in range(0, len(metrics), 1000):
        client.log_batch(written, metrics=metrics[first : first + 1000])
    for first in range(0, len(params), 100):
        client.log_batch(written, params=params[first : first + 100])
    client.log_batch(written, tags=[RunTag(key, str(value)) for key, value in tags.items()])
    for file in ("run.json", "result.json"):
        client.log_artifact(written, str(run.folder / file))
    if (run.folder / "best").is_dir():
        client.log_artifacts(written, str(run.folder / "best"), "student")
    client.set_terminated(written, end_time=end)
    return written


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m decant.mlflow", description="Write decant's finished runs into MLflow.")
    parser.add_argument("runs", nargs="+", type=Path, help="runs, or folders of runs")
    parser.add_argument("--tracking-uri", help="MLflow's store [default: MLFLOW_TRACKING_URI]")
    parser.add_argument("--experiment", help="the experiment [default: the pipeline's name]")
    arguments = parser.parse_args()
    try:
        from mlflow import MlflowClient
    except ImportError:
        print("decant: the package mlflow is not installed; pip install mlflow", file=sys.stderr)
        return 2
    try:
        # All of them before any is written.
        runs = [Run.read(folder) for folder in folders(arguments.runs)]
    except Error as error:
        print(f"decant: {error}", file=sys.stderr)
        return 3 if isinstance(error, Damage) else 2
    client = MlflowClient(arguments.tracking_uri)
    for run in runs:
        written = log(client, run, arguments.experiment)
        print(f"{run.folder}: {written or 'is there already'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
