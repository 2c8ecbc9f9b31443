#!/usr/bin/env python3
"""Make the teachers of these tests: one tiny randomly initialised ViT, exported in four ways, PyTorch's logits, and two
models of other signatures.

    python tests/goldens/teacher/make.py

Needs what pipelines/teachers/requirements.txt lists. Made with torch 2.11, transformers 5.23, onnx 1.23.
"""

import json
import pathlib
import sys
import tempfile

import onnx
import torch
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "pipelines" / "teachers"))
import export  # noqa: E402

CLASSES = ["angular_leaf_spot", "bean_rust", "healthy"]
SIZE = 32
BATCH = 6


def main():
    torch.manual_seed(2)
    with tempfile.TemporaryDirectory() as checkpoint:
        config = ViTConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, image_size=SIZE, patch_size=8,
            id2label=dict(enumerate(CLASSES)), label2id={name: index for index, name in enumerate(CLASSES)},
        )
        model = ViTForImageClassification(config)
        # Initial weights of 0.02 give logits near zero, which would hide a wrong preprocessing or class order.
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(6.0)
        model.save_pretrained(checkpoint)
        ViTImageProcessor(size={"height": SIZE, "width": SIZE}).save_pretrained(checkpoint)

        ways = {
            "fp32": {},
            "fp16": {"precision": "fp16"},
            "fixed-batch": {"batch": 4},
            "external-data": {"external_data": True},
        }
        for name, options in ways.items():
            export.export(checkpoint, HERE / name, **options)

    # Pixels that a test can make again without PyTorch: a hash of the index, in -1..1.
    count = BATCH * 3 * SIZE * SIZE
    index = torch.arange(count, dtype=torch.int64)
    pixels = ((index * 2654435761 % 4294967296) / 2147483648 - 1).float().reshape(BATCH, 3, SIZE, SIZE)
    with torch.inference_mode():
        logits = model.eval()(pixel_values=pixels).logits
    make_unnamed(HERE / "unnamed.onnx")
    make_text_model(HERE / "text.onnx")
    (HERE / "logits.json").write_text(json.dumps(logits.tolist()) + "\n")


def make_unnamed(path):
    """A classifier whose input and output have other names: the mean of each channel."""
    pixels = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 3, SIZE, SIZE])
    scores = onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["n", len(CLASSES)])
    mean = onnx.helper.make_node("ReduceMean", ["x"], ["scores"], axes=[2, 3], keepdims=0)
    save(path, onnx.helper.make_graph([mean], "means", [pixels], [scores]))


def make_text_model(path):
    """No image classifier: token ids in, the same ids out."""
    ids = onnx.helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, ["batch", 128])
    out = onnx.helper.make_tensor_value_info("output", onnx.TensorProto.INT64, ["batch", 128])
    same = onnx.helper.make_node("Identity", ["input_ids"], ["output"])
    save(path, onnx.helper.make_graph([same], "text", [ids], [out]))


def save(path, graph):
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)


if __name__ == "__main__":
    main()
