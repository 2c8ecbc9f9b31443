#!/usr/bin/env python3
"""The online loop of the Hugging Face guide in PyTorch against decant's two stages, on the same machine.

    python benches/peers/online_distill.py --decant target/release/decant     # or: make bench-online

Online, as the guide's Trainer does it: ViT-B/16 forward (no gradient) and MobileNetV2 forward, backward and AdamW in every
step, batch 8 at 224 px, images decoded and resized beforehand (in the guide's favour). Offline: decant's `teacher-cache`
once, then `train-student`, decoding included. Rates are measured in turn, the medians are taken, and the times of
whole experiments follow from them by arithmetic: nothing is run for hours. Weights are random, which costs the same.
Needs torch and transformers.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

import torch
from transformers import MobileNetV2Config, MobileNetV2ForImageClassification, ViTConfig, ViTForImageClassification

CLASSES = ["angular_leaf_spot", "bean_rust", "healthy"]
TRAIN, VALIDATION = 1034, 133
EPOCHS, RUNS = 30, 12
SIZE, BATCH, TEMPERATURE, LAMBDA = 224, 8, 5.0, 0.5
ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decant", type=pathlib.Path, default=ROOT / "target/release/decant")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6, help="steps of the online loop in a turn")
    parser.add_argument("--images", type=int, default=48, help="train images of decant's stages in a turn")
    parser.add_argument("--json", type=pathlib.Path, help="write the rates and what follows from them here too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        export_teacher(folder)
        online = Online()
        rates = {name: [] for name in ["online", "online channels_last", "teacher-cache", "train-student"]}
        for turn in range(arguments.turns):
            rates["online"].append(online.measure(arguments.steps, torch.contiguous_format))
            rates["online channels_last"].append(online.measure(arguments.steps, torch.channels_last))
            for stage, rate in offline(arguments.decant.resolve(), folder, turn, arguments.images).items():
                rates[stage].append(rate)
    report({name: statistics.median(values) for name, values in rates.items()}, arguments.json)


def vit():
    labels = dict(enumerate(CLASSES))
    config = ViTConfig(num_labels=3, id2label=labels, label2id={name: index for index, name in labels.items()})
    return ViTForImageClassification(config).eval()


class Online:
    """The guide's training step: `ImageDistilTrainer.compute_loss`, then clip and AdamW as the Trainer has them."""

    def __init__(self):
        torch.manual_seed(0)
        self.teacher = vit()
        self.student = MobileNetV2ForImageClassification(MobileNetV2Config(num_labels=3)).train()
        self.optimiser = torch.optim.AdamW(self.student.parameters(), lr=5e-5, weight_decay=0.0)
        self.divergence = torch.nn.KLDivLoss(reduction="batchmean")

    def measure(self, steps, layout):
        """Images a second over `steps` steps, after one to warm up."""
        self.student.to(memory_format=layout)
        pixels = torch.randn(BATCH, 3, SIZE, SIZE).to(memory_format=layout)
        labels = torch.arange(BATCH) % 3
        self.step(pixels, labels)
        start = time.perf_counter()
        for _ in range(steps):
            self.step(pixels, labels)
        return steps * BATCH / (time.perf_counter() - start)

    def step(self, pixels, labels):
        output = self.student(pixels, labels=labels)
        with torch.no_grad():
            teacher = self.teacher(pixels).logits
        soft_teacher = torch.nn.functional.softmax(teacher / TEMPERATURE, dim=-1)
        soft_student = torch.nn.functional.log_softmax(output.logits / TEMPERATURE, dim=-1)
        distillation = self.divergence(soft_student, soft_teacher) * TEMPERATURE**2
        ((1 - LAMBDA) * output.loss + LAMBDA * distillation).backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()


def export_teacher(folder):
    checkpoint = folder / "checkpoint"
    vit().save_pretrained(checkpoint)
    (checkpoint / "preprocessor_config.json").write_text(json.dumps({
        "image_processor_type": "ViTImageProcessor", "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 2, "rescale_factor": 1 / 255,
        "size": {"height": SIZE, "width": SIZE},
    }))
    script = ROOT / "pipelines/teachers/export.py"
    command = [sys.executable, script, "--checkpoint", checkpoint, "--out", folder / "teacher"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def offline(decant, folder, turn, images):
    """Images a second of both stages, from decant's own JSON, on a few images so that a turn is short."""
    pipeline = folder / "bench.toml"
    pipeline.write_text(
        f'[dataset.leaves]\ntrain = {images}\nvalidation = 3\ntest = 3\nseed = {turn}\n'
        f'[teacher]\nmodel = "{folder}/teacher"\nbatch-size = 16\ndevice = "cpu"\n'
        f'[cache]\ndir = "{folder}/cache"\ntemperatures = [{TEMPERATURE}]\n'
        f'[student]\nwidth = 1.0\nimage-size = {SIZE}\nbatch-norm-momentum = 0.997\n'
        f'[train]\ndir = "{folder}/runs"\nepochs = 2\nbatch-size = {BATCH}\nlr = 5e-5\nprecise-bn = 0\ndevice = "cpu"\n'
    )
    cache = run(decant, "teacher-cache", "-p", pipeline, "--json")
    run(decant, "train-student", "-p", pipeline, "--json")
    timing = max((folder / "runs").glob("*/timing.json"), key=lambda path: path.stat().st_mtime)
    timing = json.loads(timing.read_text())
    return {
        "teacher-cache": cache["images_per_second"],
        "train-student": timing["train_images"] / timing["train_seconds"],
    }


def run(*command):
    environment = dict(os.environ)
    environment.setdefault("ORT_DYLIB_PATH", str(library()))
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=ROOT).stdout
    return json.loads(output)


def library():
    found = [path for path in (ROOT / ".onnxruntime/onnxruntime/capi").glob("libonnxruntime.*") if re.search(r"\.so|\.dylib", path.name)]
    return found[0]


def report(rates, path):
    print(f"{'images/s (median)':28}")
    for name, rate in rates.items():
        print(f"  {name:26} {rate:8.1f}")
    images = TRAIN * EPOCHS
    online = images / max(rates["online"], rates["online channels_last"])
    once = (TRAIN + VALIDATION) / rates["teacher-cache"]
    student = images / rates["train-student"]
    experiments = [
        {"runs": runs, "online_minutes": runs * online / 60, "decant_minutes": (once + runs * student) / 60} for runs in [1, RUNS]
    ]
    print(f"\n{'from these rates':28} {'online':>10} {'decant':>10} {'ratio':>7}")
    for row in experiments:
        name = f"{row['runs']} run{'s' if row['runs'] > 1 else ''} of {EPOCHS} epochs"
        theirs, ours = row["online_minutes"], row["decant_minutes"]
        print(f"  {name:26} {theirs:6.1f} min {ours:6.1f} min {theirs / ours:6.2f}x")
    print(f"  (decant: stage one {once / 60:.1f} min once, then {student / 60:.1f} min a run; {torch.get_num_threads()} threads)")
    if path:
        path.write_text(json.dumps({"images_per_second": rates, "experiments": experiments}, indent=2))


if __name__ == "__main__":
    main()
