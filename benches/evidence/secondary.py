#!/usr/bin/env python3
"""Writes the pipeline files of the other comparisons of docs/evidence.md, and makes the split without unlabelled images.

    python3 secondary.py pipelines/imagenette.toml DATA OUT     # DATA has what split.py wrote; OUT/secondary-*.toml and two more

Each is the pipeline of the primary comparison with the lines that differ, and a sweep, of three seeds where it names none. The files lie where the
paths of that pipeline are meant from.
"""

import os
import pathlib
import sys

SEEDS = "train.seed = [0, 1, 2]"
# For each: the text that is replaced, and the line of [sweep] before the seeds.
COMPARISONS = {
    "secondary-permuted": ({}, 'train.control = ["permuted-targets"]'),
    # As many epochs of 847 images as make the steps of 8 epochs of all.
    "secondary-labelled": ({"imagenette-10": "imagenette-10-labelled", "epochs = 8": "epochs = 80"}, ""),
    "secondary-views": ({"views = 4": "views = 1"}, ""),
    "secondary-lambda": ({}, "train.lambda = [1.0, 0.5]"),
    "secondary-temperature": ({}, "train.temperature = [1.0, 4.0]"),
    "secondary-color-jitter": (
        {"views = 4": "views = 4\n\n[cache.view]\nbrightness = 0.4\ncontrast = 0.4\nsaturation = 0.4\nhue = 0.1"},
        "",
    ),
    "secondary-rand-augment": ({"views = 4": "views = 4\n\n[cache.view]\nrand-augment = 2"}, ""),
    # The whole image only: a ViT is slow.
    "secondary-vit": (
        {
            "efficientnet-lite0:imagenette": "dinov2-s14:data/imagenette-10",
            "teachers/imagenette": "teachers/dinov2",
            "views = 4": "views = 1",
        },
        "",
    ),
    "initial-weights": (
        {"imagenette-10": "imagenette-100", "lambda = 0.9": "lambda = 0.0", "temperature = 2.0\n": ""},
        'student.initializer = ["kaiming", "transformers"]',
    ),
    "imagenette-100-t4": (
        {"imagenette-10": "imagenette-100", "views = 4": "views = 1", "temperature = 2.0": "temperature = 4.0"},
        f"train.lambda = [0.0, 0.9]\ntrain.seed = {list(range(11, 35))}",
    ),
}


def main():
    pipeline, data, out = map(pathlib.Path, sys.argv[1:])
    settings = pipeline.read_text().split("[sweep]")[0].split("\n\n", 1)[1]
    for name, (edits, sweep) in COMPARISONS.items():
        text = settings
        for found, wanted in edits.items():
            if found not in text:
                sys.exit(f"{pipeline} has no {found!r}, which {name} replaces")
            text = text.replace(found, wanted, 1)
        lines = sweep if "train.seed" in sweep else "\n".join(filter(None, [sweep, SEEDS]))
        (out / f"{name}.toml").write_text(f"{text.rstrip()}\n\n[sweep]\n{lines}\n")
    for source in sorted((data / "imagenette-10").rglob("*")):
        path = source.relative_to(data / "imagenette-10")
        if source.is_file() and path.parts[0] != "unlabelled":
            target = data / "imagenette-10-labelled" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(source, target)


if __name__ == "__main__":
    main()
