"""Reads a run's event file with the `tensorboard` package and compares it with the run's metrics.jsonl and result.json; then
starts TensorBoard itself on the folder of runs that it lies in and asks it for what it shows.

    pip install -r tests/interop/requirements-models.txt
    python tests/interop/read_events.py RUN EVERY

EVERY is the run's `train.tensorboard`.
"""

import io
import json
import sys
import time
import tomllib
import urllib.parse
import urllib.request
from pathlib import Path

from PIL import Image
from tensorboard import program
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

EPOCH = {
    "validation/accuracy": lambda record: record["validation"]["accuracy"],
    "validation/macro_f1": lambda record: record["validation"]["macro_f1"],
    "validation/negative_log_likelihood": lambda record: record["validation"]["negative_log_likelihood"],
    "validation/calibration_error": lambda record: record["validation"]["calibration_error"],
    "validation/teacher_agreement": lambda record: record["validation"]["teacher_agreement"],
    "validation/teacher_kl": lambda record: record["validation"]["teacher_kl"],
    "epoch/loss": lambda record: record["train_loss"],
    "epoch/ce_loss": lambda record: record["ce_loss"],
    "epoch/kd_loss": lambda record: record["kd_loss"],
    "epoch/accuracy": lambda record: record["train_accuracy"],
    "epoch/temperature": lambda record: record["temperature"],
    "epoch/lambda": lambda record: record["lambda"],
}
STEP = ["train/loss", "train/ce_loss", "train/kd_loss", "train/gradient_norm", "train/lr", "train/images_per_second"]


def ask_tensorboard(run: Path, events: EventAccumulator, log: list, mistakes: list) -> None:
    board = program.TensorBoard()
    board.configure(argv=["tensorboard", "--logdir", str(run.parent), "--port", "0", "--host", "127.0.0.1"])
    address = board.launch().rstrip("/")

    def get(path: str):
        with urllib.request.urlopen(f"{address}/data/{path}") as answer:
            return json.load(answer)

    name, all_runs = f"{run.name}/tensorboard", sorted(f"{one.parent.name}/tensorboard" for one in run.parent.glob("*/run.json"))
    for _ in range(60):
        if sorted(get("runs")) == all_runs and set(get("plugin/images/tags").get(name, {})) == set(mistakes):
            break
        time.sleep(0.5)
    assert set(get("plugin/images/tags")[name]) == set(mistakes)
    assert get("plugin/text/tags")[name] == ["config"]
    query = urllib.parse.urlencode({"run": name, "tag": "validation/accuracy"})
    curve = [step for _, step, _ in get(f"plugin/scalars/scalars?{query}")]
    assert curve == [record["step"] for record in log], curve
    hyper_parameters(run, events, get, name, all_runs)


def hyper_parameters(run: Path, events: EventAccumulator, get, name: str, all_runs: list) -> None:
    content = events.PluginTagToContent("hparams")
    start = HParamsPluginData.FromString(content["_hparams_/session_start_info"]).session_start_info
    train = json.loads((run / "run.json").read_text())["pipeline"]["train"]
    assert start.hparams["train.lambda"].number_value == train["lambda"], start
    assert start.hparams["train.optimizer"].string_value == train["optimizer"], start
    assert "train.dir" not in start.hparams, start
    end = HParamsPluginData.FromString(content["_hparams_/session_end_info"]).session_end_info
    assert end.status == 1, end

    # What the HParams tab asks for: a row a run.
    query = {"allowedStatuses": ["STATUS_SUCCESS"], "sliceSize": 10}
    found = get(f"plugin/hparams/session_groups?{urllib.parse.urlencode({'request': json.dumps(query)})}")
    assert sorted(group["name"] for group in found["sessionGroups"]) == all_runs, found
    [group] = [group for group in found["sessionGroups"] if group["name"] == name]
    assert group["hparams"]["train.lambda"] == train["lambda"], group
    tags = {value["name"]["tag"] for value in group["metricValues"]}
    assert "validation/accuracy" in tags, tags


def main(run: Path, every: int) -> None:
    log = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    result = json.loads((run / "result.json").read_text())
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    steps = list(range(every, log[-1]["step"] + 1, every))
    assert set(events.Tags()["scalars"]) == {*EPOCH, *(STEP if steps else [])}, events.Tags()

    for tag, of in EPOCH.items():
        found = [(event.step, event.value) for event in events.Scalars(tag)]
        assert [step for step, _ in found] == [record["step"] for record in log], (tag, found)
        assert all(abs(value - of(record)) < 1e-5 for (_, value), record in zip(found, log)), (tag, found)
    for tag in STEP if steps else []:
        assert [event.step for event in events.Scalars(tag)] == steps, tag

    [text] = events.Tensors("config")
    config = tomllib.loads(text.tensor_proto.string_val[0].decode())
    described = json.loads((run / "run.json").read_text())["pipeline"]
    assert config["train"]["lr"] == described["train"]["lr"] and set(config) == set(described), config

    confusion = result["validation"]["confusion"]
    wrong = sum(sum(row) for row in confusion) - sum(confusion[index][index] for index in range(len(confusion)))
    mistakes = events.Tags()["images"]
    assert len(mistakes) == min(8, wrong), (mistakes, wrong)
    for tag in mistakes:
        [image] = events.Images(tag)
        picture = Image.open(io.BytesIO(image.encoded_image_string))
        assert picture.size == (image.width, image.height) and picture.mode == "RGB", tag
        assert image.step == log[-1]["step"]
    ask_tensorboard(run, events, log, mistakes)
    print(f"tensorboard reads {len(steps)} points, {len(log)} epochs and {len(mistakes)} mistakes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
