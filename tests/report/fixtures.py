"""Makes what `look.py` looks at: small runs of decant itself, and the pages about them.

    fixtures.py DECANT OUT          needs numpy, onnx and pillow

- three.html, cache.html    a run, and the cache, of three classes
- hundred.html, hundred-cache.html   of a hundred classes, whose names have up to 40 characters, with images that stand in two splits
- sweep.html                24 configurations of two seeds each, and a cell that is not trained
- keys.html                 runs that differ in six keys

What is made stays in OUT/work, so that a second time only the pages are made.
"""

import json
import pathlib
import shutil
import subprocess
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

CLASSES = 100
SIDE = 32

COMMON = """
[cache]
views = 1

[student]
width = 0.35
image-size = 32
dropout = 0.2

[train]
epochs = {epochs}
batch-size = {batch}
lr = {lr}
temperature = 5.0
lambda = 0.5
device = "cpu"
"""

LEAVES = "[dataset.leaves]\ntrain = 48\nvalidation = 30\ntest = 60\nseverity = 1.0\n"

SWEEP = """
[sweep]
train.temperature = [1.0, 2.0, 3.0, 5.0, 10.0, 20.0]
train.lambda = [0.0, 0.25, 0.5, 0.75, 0.95]
train.seed = [0, 1]
exclude = [{ train.temperature = 20.0, train.lambda = 0.95 }]
"""

KEYS = [
    [],
    ["train.lr=3e-3"],
    ["train.epochs=5", "train.batch-size=4"],
    ["student.dropout=0.0", "train.temperature=2.0"],
    ["train.lambda=0.9", "train.weight-decay=0.1", "train.lr=1e-4"],
    ["train.lambda=0.0"],
]


def name(index):
    """Names as data sets have them: of 8 to 40 characters."""
    genera = ["Aesculus", "Liquidambar", "Metasequoia", "Pseudotsuga", "Zelkova", "Xanthocyparis", "Quercus", "Betula"]
    species = ["alba", "hippocastanum", "glyptostroboides", "nootkatensis", "styraciflua", "rubra", "pendula"]
    text = f"{genera[index % 8]}_{species[index % 7]}_{index:02d}"
    return text + "_leaves_underside"[: 40 - len(text)] if index % 3 == 0 else text


def colours():
    """Four quadrants a class, `[classes, 3, 2, 2]`, in 0 to 1."""
    return numpy.random.default_rng(0).uniform(0.1, 0.9, (CLASSES, 3, 2, 2)).astype(numpy.float32)


def images(folder):
    noise = numpy.random.default_rng(1)
    for split, count in {"train": 4, "validation": 2, "test": 3}.items():
        for index, colour in enumerate(colours()):
            to = folder / split / name(index)
            to.mkdir(parents=True)
            for number in range(count):
                pixels = numpy.kron(colour, numpy.ones((1, SIDE // 2, SIDE // 2)))
                pixels = pixels + noise.normal(0, 0.25, pixels.shape) + noise.normal(0, 0.12, (3, 1, 1))
                pixels = (255 * pixels.clip(0, 1)).round().astype(numpy.uint8).transpose(1, 2, 0)
                Image.fromarray(pixels).save(to / f"{number}.png")
    # The same bytes in train and test, and twice in train.
    for index in (3, 4, 5):
        source = folder / "train" / name(index) / "0.png"
        shutil.copy(source, folder / "test" / name(index) / "0.png")
        shutil.copy(source, folder / "train" / name(index) / "again.png")


def teacher(folder):
    """The class whose quadrants are nearest."""
    folder.mkdir(parents=True)
    centres = (colours().reshape(CLASSES, -1) - 0.5) / 0.5
    weight, bias = 6 * centres.T, -3 * (centres**2).sum(1)
    nodes = [
        helper.make_node("AveragePool", ["pixel_values"], ["means"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "nearest",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias.astype(numpy.float32), "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    config = {"id2label": {str(index): name(index) for index in range(CLASSES)}, "image_size": SIDE}
    (folder / "config.json").write_text(json.dumps(config))
    preprocessing = {
        "do_resize": True, "size": {"height": SIDE, "width": SIDE}, "resample": 2, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing))


def main():
    decant, out = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    work = out / "work"

    def run(*args):
        done = subprocess.run([decant, *args], cwd=work, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"decant {' '.join(args)}\n{done.stderr}")

    def pipeline(file, head, **values):
        (work / file).write_text(head + COMMON.format(**values))

    if not (work / "made").exists():
        shutil.rmtree(work, ignore_errors=True)
        images(work / "photos of a hundred classes")
        teacher(work / "teacher")
        pipeline("three.toml", LEAVES, epochs=6, batch=8, lr="2e-3")
        absolute = json.dumps(str(work / "photos of a hundred classes"))
        pipeline(
            "hundred.toml",
            f"[dataset]\nsource = {absolute}\n\n[teacher]\nmodel = {json.dumps(str(work / 'teacher'))}\n",
            epochs=8, batch=16, lr="4e-3",
        )  # fmt: skip
        pipeline("keys.toml", LEAVES, epochs=2, batch=8, lr="1e-3")
        pipeline("grid.toml", LEAVES, epochs=1, batch=16, lr="2e-3")
        with (work / "grid.toml").open("a") as file:
            file.write(SWEEP)
        run("teacher-cache", "-p", "three.toml")
        run("teacher-cache", "-p", "hundred.toml")
        run("train-student", "-p", "three.toml", "--runs-dir", "three", "--name", "three")
        run("train-student", "-p", "hundred.toml", "--runs-dir", "hundred", "--name", "hundred")
        run("sweep", "-p", "grid.toml", "--runs-dir", "grid")
        for sets in KEYS:
            run("train-student", "-p", "keys.toml", "--runs-dir", "keys", *(part for one in sets for part in ("--set", one)))
        (work / "made").touch()

    def page(name, *args):
        run("report", "--force", "-o", str(out / f"{name}.html"), *args)

    page("three", "three", "--charts", str(out / "charts"))
    page("cache", str(next(work.glob("cache/three-*"))), "-p", "three.toml")
    page("hundred", "hundred")
    page("hundred-cache", str(next(work.glob("cache/hundred-*"))), "-p", "hundred.toml")
    page("sweep", str(next(work.glob("sweeps/grid-*"))), "--runs-dir", "grid")
    page("keys", "keys")


if __name__ == "__main__":
    main()
