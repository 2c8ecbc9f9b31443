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
from pathlib import Path

from .errors import Mismatch

MEASURES = ("accuracy", "macro_f1", "negative_log_likelihood", "calibration_error", "teacher_agreement", "teacher_kl")
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


def log(client, run: Path, experiment: str | None = None) -> str | None:
    """Writes one run, and gives MLflow's id of it; nothing where that run is there already."""
    from mlflow.entities import Metric, Param, RunTag

    described, result = (json.loads((run / name).read_text()) for name in ("run.json", "result.json"))
    label = json.loads((run / "label.json").read_text()) if (run / "label.json").is_file() else {}
    pipeline = described["pipeline"]
    name = experiment or pipeline["name"]
    known = client.get_experiment_by_name(name)
    group = known.experiment_id if known else client.create_experiment(name)
    if client.search_runs([group], f"tags.`{KEY}` = '{described['key']}'", max_results=1):
        return None
    end = int(1000 * (run / "result.json").stat().st_mtime)
    timing = json.loads((run / "timing.json").read_text()) if (run / "timing.json").is_file() else {}
    start = end - int(1000 * timing.get("seconds", 0))
    written = client.create_run(group, start_time=start, run_name=label.get("name") or run.name).info.run_id
    imported = described.get("imported")
    settings = imported["settings"] if imported else {key: value for key, value in flat(pipeline).items() if key not in PLACES}
    settings = {**settings, "teacher": described["teacher"], "device": described["device"]}
    tags = {KEY: described["key"], "decant.version": described["decant"], "decant.cache_content": described["cache_content"]}
    tags |= {f"decant.tag.{tag}": "true" for tag in label.get("tags", [])}
    points = []
    log_file = run / "metrics.jsonl"
    epochs = [json.loads(line) for line in log_file.read_text().splitlines()] if log_file.is_file() else []
    for record in epochs:
        values = measures(record["validation"], "validation")
        values |= {f"train/{key}": record[key] for key in ("train_loss", "ce_loss", "kd_loss", "train_accuracy", "lr") if record.get(key) is not None}
        points += [Metric(key, value, end, record["step"]) for key, value in values.items()]
    last = epochs[-1]["step"] if epochs else 0
    for split in ("validation", "test"):
        if result.get(split):
            points += [Metric(f"best/{key}", value, end, last) for key, value in measures(result[split], split).items()]
    points += [Metric("parameters", result["parameters"], end, last), Metric("seconds", timing.get("seconds", 0), end, last)]
    for first in range(0, len(points), 1000):
        client.log_batch(written, metrics=points[first : first + 1000])
    params = [Param(key, str(value)[:6000]) for key, value in sorted(settings.items())]
    for first in range(0, len(params), 100):
        client.log_batch(written, params=params[first : first + 100])
    client.log_batch(written, tags=[RunTag(key, str(value)) for key, value in tags.items()])
    for file in ("run.json", "result.json"):
        client.log_artifact(written, str(run / file))
    if (run / "best").is_dir():
        client.log_artifacts(written, str(run / "best"), "student")
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
        runs = folders(arguments.runs)
    except Mismatch as error:
        print(f"decant: {error}", file=sys.stderr)
        return 2
    client = MlflowClient(arguments.tracking_uri)
    for run in runs:
        written = log(client, run, arguments.experiment)
        print(f"{run}: {written or 'is there already'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
