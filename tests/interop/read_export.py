"""Opens what `decant export` wrote of one run with onnx, ONNX Runtime and transformers, and compares the logits.

    pip install -r tests/interop/requirements-models.txt
    python tests/interop/read_export.py HF_FOLDER ONNX_FOLDER IMAGE_FOLDER

Both models see the images as `AutoImageProcessor` makes them, with each of its backends. Their logits must agree to 1e-4 with
each other, at a batch of 1 and of 8; and, with the Pillow backend, the probabilities with those on standard input, `decant
predict --json`'s lines for the same images, to 1e-4. The images are PNG, of which every decoder gives the same pixels.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from huggingface_hub import ModelCard
from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification

TOLERANCE = 1e-4


def check_model(path: Path) -> onnx.ModelProto:
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(str(path))
    assert model.producer_name == "decant" and model.producer_version, model.producer_name
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)], model.opset_import
    assert not any(node.op_type == "BatchNormalization" for node in model.graph.node)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    shapes = {value.name: value.type.tensor_type.shape.dim for value in inferred.graph.value_info}
    outputs = [name for node in model.graph.node for name in node.output if name != "logits"]
    for name in outputs:
        assert name in shapes, f"no shape was inferred for {name}"
        batch, *rest = shapes[name]
        assert batch.dim_param == "batch" and all(dim.dim_value > 0 for dim in rest), (name, shapes[name])
    return model


def main(hf: Path, onnx_folder: Path, images: Path) -> None:
    torch.set_num_threads(1)
    model = check_model(onnx_folder / "model.onnx")
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    processors = {backend: AutoImageProcessor.from_pretrained(hf, backend=backend) for backend in ("torchvision", "pil")}
    processor = processors["pil"]
    assert processor.to_dict() == AutoImageProcessor.from_pretrained(onnx_folder, backend="pil").to_dict()
    network = AutoModelForImageClassification.from_pretrained(hf).eval()
    labels = network.config.id2label
    assert json.loads(metadata["id2label"]) == {str(index): label for index, label in labels.items()}
    assert AutoConfig.from_pretrained(onnx_folder).id2label == labels
    assert json.loads(metadata["image_mean"]) == list(processor.image_mean), metadata
    assert json.loads(metadata["image_std"]) == list(processor.image_std), metadata

    paths = sorted(images.rglob("*.png"), key=lambda path: str(path).encode())
    pictures = [Image.open(path).convert("RGB") for path in paths]
    session = onnxruntime.InferenceSession(str(onnx_folder / "model.onnx"))
    for processor in processors.values():
        pixels = processor(pictures, return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            expected = network(pixel_values=pixels).logits.numpy()
        for batch in (1, 8):
            for start in range(0, len(paths), batch):
                part = slice(start, start + batch)
                [found] = session.run(["logits"], {"pixel_values": pixels[part].numpy()})
                np.testing.assert_allclose(found, expected[part], rtol=0, atol=TOLERANCE)

    powers = np.exp(expected - expected.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    lines = [json.loads(line) for line in sys.stdin]
    assert [line["image"].rsplit("/", 1)[1] for line in lines] == [path.name for path in paths]
    for line, row in zip(lines, probabilities):
        for one in line["predictions"]:
            assert one["class"] == labels[one["index"]]
            assert abs(one["probability"] - row[one["index"]]) <= TOLERANCE, (line, row)
    for folder, library in ((hf, "transformers"), (onnx_folder, "onnx")):
        card = ModelCard.load(folder / "README.md").data
        assert (card.library_name, card.pipeline_tag) == (library, "image-classification"), card
        measured = {(result.dataset_split, result.metric_type) for result in card.eval_results}
        assert measured == {(split, kind) for split in ("validation", "test") for kind in ("accuracy", "f1")}, measured
    print(f"onnx, ONNX Runtime, transformers and decant agree on {len(paths)} images")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
