"""Writes a PyTorch classifier as the ONNX folder that decant reads: a student for `decant evaluate`, or a teacher for `teacher-cache`.

    python -m decant.export vit_small_patch16_224.augreg_in1k --weights finetuned.pth --images IMAGES --out teacher

exports a model of timm's, with its own preprocessing. Class names are the folders' in IMAGES/train, or those of the model's hub page.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Sequence

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


def export_timm(name: str, folder: str | Path, classes: Sequence[str] | None = None, weights: str | Path | None = None) -> Path:
    """Writes a model of timm's, such as `vit_small_patch16_224` or `hf-hub:ORG/NAME`, with its preprocessing.

    `weights` is a file of `state_dict`s as `torch.save` or timm's training script writes it; without one they are timm's pretrained ones.
    """
    import timm
    from timm.data.config import resolve_data_config

    number: dict[str, Any] = {} if classes is None else {"num_classes": len(classes)}
    model: Any = timm.create_model(name, pretrained=weights is None, checkpoint_path=str(weights or ""), **number).eval()
    settings = resolve_data_config({}, model=model)
    classes = classes or model.pretrained_cfg.get("label_names")
    if not classes:
        raise Mismatch(f"{name} does not say what its classes are called; give --images or --classes")
    _, height, width = settings["input_size"]
    if height != width:
        raise Mismatch(f"{name} sees {height} x {width} pixels, expected a square")
    path = save_onnx(model, folder, classes, height, settings["mean"], settings["std"])
    # timm's own description, which decant reads: it has the crop that timm evaluates with.
    (path.parent / "preprocessor_config.json").unlink()
    kept = ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std")
    config = {"architecture": name, "num_classes": len(classes), "label_names": list(classes), "pretrained_cfg": {key: settings[key] for key in kept}}
    (path.parent / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m decant.export", description="Export a model of timm's to ONNX, as a teacher.")
    parser.add_argument("model", help="a name of timm's, or hf-hub:ORG/NAME")
    parser.add_argument("--out", required=True, type=Path, help="the folder to write")
    parser.add_argument("--weights", type=Path, help="a file of weights [default: timm's pretrained ones]")
    parser.add_argument("--images", type=Path, help="an image folder, whose train/ has one folder a class")
    parser.add_argument("--classes", nargs="+", help="class names, in the order of the logits")
    args = parser.parse_args()
    classes = args.classes
    if args.images and not classes:
        train = args.images / "train" if (args.images / "train").is_dir() else args.images
        classes = sorted(folder.name for folder in train.iterdir() if folder.is_dir())
    try:
        path = export_timm(args.model, args.out, classes, args.weights)
    except (Mismatch, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")
    print(f"wrote {path}; use it with teacher.model = {json.dumps(str(args.out))}")


if __name__ == "__main__":
    main()
