"""Writes a PyTorch classifier as the ONNX folder that decant reads: a student for `decant evaluate`, or a teacher for `teacher-cache`."""

import json
from pathlib import Path
from typing import Sequence

import torch

from .errors import Mismatch
from .manifest import FILTERS
from .pixels import IMAGENET_MEAN, IMAGENET_STD


def save_onnx(
    model: torch.nn.Module,
    folder: str | Path,
    classes: Sequence[str],
    size: int = 224,
    mean: Sequence[float] = IMAGENET_MEAN,
    std: Sequence[float] = IMAGENET_STD,
    filter: str = "bilinear",
) -> Path:
    """Writes `folder/model.onnx` with `config.json` and `preprocessor_config.json` beside it, and gives the model's path.

    `model` takes `[batch, 3, size, size]` and gives logits `[batch, classes]`, in the order of `classes`. `filter` is the resampling
    filter that its images were resized with, whole, to `size` x `size`. Needs the packages onnx and onnxscript.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    was_training = model.training
    model = model.eval()
    pixels = torch.zeros(2, 3, size, size, device=next(model.parameters()).device)
    with torch.no_grad():
        width = model(pixels).shape[-1]
    if width != len(classes):
        raise Mismatch(f"the model gives {width} logits, there are {len(classes)} classes")
    path = folder / "model.onnx"
    torch.onnx.export(
        model, (pixels,), str(path), input_names=["pixel_values"], output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch_size")},), external_data=False, dynamo=True, verbose=False,
    )  # fmt: skip
    model.train(was_training)
    config = {"image_size": size, "id2label": {str(index): name for index, name in enumerate(classes)}}
    processor = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": size, "width": size},
        "resample": FILTERS.index(filter),
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(mean),
        "image_std": list(std),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2) + "\n")
    return path
