#!/usr/bin/env python3
"""Export an image classifier of the Hugging Face hub to ONNX, in the layout of `optimum`.

    python export.py pipelines/beans.toml
    python export.py --checkpoint merve/beans-vit-224 --out pipelines/teachers/beans

Of a pipeline file, `[teacher] checkpoint` (a hub id or a folder of `save_pretrained`) and `[teacher] model` (a folder, or the
`model.onnx` in it) are read; a checkpoint `efficientnet-lite0:imagenette` is made by
efficientnet_lite.py, and `dinov2-s14:FOLDER` by dinov2.py, from the images in FOLDER. The folder then holds model.onnx (input `pixel_values`, output `logits`, any
batch), config.json and preprocessor_config.json. The exported model is run once and compared with PyTorch's logits.
"""

import argparse
import json
import pathlib
import sys

LITE, DINOV2 = "efficientnet-lite0:", "dinov2-s14:"
TOLERANCE = {"fp32": 1e-3, "fp16": 5e-2}


def main():
    arguments = parse_arguments()
    try:
        checkpoint, folder = what_to_export(arguments)
        if checkpoint.startswith(LITE):
            import efficientnet_lite

            efficientnet_lite.make(checkpoint.removeprefix(LITE), folder)
        elif checkpoint.startswith(DINOV2):
            import dinov2

            dinov2.make(pathlib.Path(checkpoint.removeprefix(DINOV2)), folder)
        else:
            export(checkpoint, folder, precision=arguments.precision, external_data=arguments.external_data)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pipeline", nargs="?", type=pathlib.Path, help="a pipeline file with [teacher] checkpoint and model")
    parser.add_argument("--checkpoint", help="a hub id or a local folder")
    parser.add_argument("--out", type=pathlib.Path, help="the folder to write")
    parser.add_argument("--precision", choices=["fp32", "fp16"], default="fp32")
    parser.add_argument("--external-data", action="store_true", help="keep the weights beside the graph, in model.onnx_data")
    return parser.parse_args()


def what_to_export(arguments):
    """The checkpoint and the folder, from the options or else from the pipeline file."""
    checkpoint, folder = arguments.checkpoint, arguments.out
    if arguments.pipeline:
        teacher = read_toml(arguments.pipeline).get("teacher", {})
        checkpoint = checkpoint or teacher.get("checkpoint")
        model = teacher.get("model", "")
        if model.startswith("embedded:"):
            raise ValueError(f"{arguments.pipeline}: its teacher {model} is part of decant, there is nothing to export")
        if model.startswith("hub:"):
            raise ValueError(f"{arguments.pipeline}: its teacher {model} is on the hub and exported already, there is nothing to export")
        if folder is None and model:
            path = pathlib.Path(model)
            folder = path.parent if path.suffix == ".onnx" else path
            if path.suffix == ".onnx" and path.name != "model.onnx":
                raise ValueError(f"{arguments.pipeline}: [teacher] model must be a folder or end in model.onnx, found {model}")
    if not checkpoint:
        raise ValueError("no checkpoint: give --checkpoint, or [teacher] checkpoint in the pipeline file")
    if folder is None:
        raise ValueError("no folder to write: give --out, or [teacher] model in the pipeline file")
    return checkpoint, folder


def read_toml(path):
    try:
        import tomllib
    except ImportError:
        import tomli as tomllib
    with open(path, "rb") as file:
        return tomllib.load(file)


def export(checkpoint, folder, precision="fp32", external_data=False, batch=None):
    """Write `checkpoint` to `folder`; `batch` fixes the batch size, which is dynamic otherwise."""
    import torch
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    model, loading = AutoModelForImageClassification.from_pretrained(
        checkpoint, attn_implementation="eager", output_loading_info=True
    )
    if loading["missing_keys"]:
        names = ", ".join(sorted(loading["missing_keys"]))
        raise ValueError(f"{checkpoint} lacks {names}: random numbers would stand in for them, so it is not a teacher")
    processor = AutoImageProcessor.from_pretrained(checkpoint, backend="pil")

    model = model.eval().to(torch.float16 if precision == "fp16" else torch.float32)
    height, width = input_size(processor)
    generator = torch.Generator().manual_seed(0)
    shape = (batch or 2, model.config.num_channels, height, width)
    pixels = torch.rand(shape, generator=generator).mul(2).sub(1).to(model.dtype)

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    torch.onnx.export(
        Logits(model),
        (pixels,),
        path,
        input_names=["pixel_values"],
        output_names=["logits"],
        dynamic_shapes=None if batch else {"pixel_values": {0: torch.export.Dim("batch_size")}},
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    tidy(path, external_data)
    config = json.loads(model.config.to_json_string(use_diff=False))
    config.pop("_name_or_path", None)
    write_json(folder / "config.json", config)
    write_json(folder / "preprocessor_config.json", preprocessing(processor))
    print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB): {list(model.config.id2label.values())}")
    compare(path, model, pixels, TOLERANCE[precision])


def input_size(processor):
    """Height and width of what the processor makes."""
    size = getattr(processor, "crop_size", None) if getattr(processor, "do_center_crop", False) else processor.size
    if not size or not size.get("height") or not size.get("width"):
        raise ValueError(f"its image processor makes images of {size}, expected a height and a width")
    return size["height"], size["width"]


def Logits(model):
    """The model as a module whose only output is a tensor, [batch, classes]."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, pixel_values):
            return self.model(pixel_values=pixel_values).logits

    return Logits().eval()


def tidy(path, external_data):
    """Drop the exporter's notes on each node (half of a small file), and move the weights out where asked to."""
    import onnx

    model = onnx.load(path)
    model.ClearField("metadata_props")
    model.doc_string = ""
    graph = model.graph
    for part in [graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info]:
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    graph.ClearField("value_info")
    for node in graph.node:
        node.ClearField("name")
    data = path.with_name("model.onnx_data")
    data.unlink(missing_ok=True)
    too_large = model.ByteSize() > 1_900_000_000
    if external_data or too_large:
        onnx.save(model, path, save_as_external_data=True, location=data.name, size_threshold=256)
    else:
        onnx.save(model, path)


def write_json(path, content):
    path.write_text(json.dumps(content, indent=2) + "\n")


def preprocessing(processor):
    """What decant reads of a processor, and no more."""
    keys = [
        "do_resize", "size", "resample", "do_center_crop", "crop_size",
        "do_rescale", "rescale_factor", "do_normalize", "image_mean", "image_std",
    ]
    config = json.loads(processor.to_json_string())
    kept = {key: config[key] for key in keys if config.get(key) is not None}
    name = type(processor).__name__.removesuffix("Pil").removesuffix("Fast")
    return {"image_processor_type": name, **kept}


def compare(path, model, pixels, tolerance):
    """Run the file on the very pixels and compare with PyTorch's logits."""
    try:
        import onnxruntime
    except ImportError:
        print("onnxruntime is not installed: the exported model was not compared with PyTorch's", file=sys.stderr)
        return
    import torch

    with torch.inference_mode():
        expected = model(pixel_values=pixels).logits.float().numpy()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {"pixel_values": pixels.numpy()})
    difference = float(abs(found.astype("float32") - expected).max())
    if not difference <= tolerance:
        raise ValueError(f"{path}: its logits differ from PyTorch's by {difference:.2g}, more than {tolerance:.2g}")
    print(f"its logits equal PyTorch's within {difference:.1g}")


if __name__ == "__main__":
    main()
