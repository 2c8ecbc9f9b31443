"""Writes goldens.json: what PyTorch and transformers compute for a MobileNetV2, for tests/student_goldens.rs to compare.

    python make.py                  # needs torch, transformers and numpy
    python make.py --check FOLDER   # opens a folder that decant exported, prints its logits on the golden pixels

Weights, pixels and teacher are a formula of name and index (`uniform`), which the Rust test computes too, so no weights
are committed. Everything is computed in double precision; the script prints how far PyTorch's own single precision is
from that, which is what the test's tolerances are set against.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

TEMPERATURE, LAMBDA, CLASSES, BATCH, SIDE = 5.0, 0.5, 3, 4, 64
SAMPLES = 8  # of each gradient tensor, evenly spaced, beside its norm


def uniform(name, shape):
    """Values in [-1, 1), exact in float32: SplitMix64 over the index, keyed by FNV-1a of the name."""
    key = 0xCBF29CE484222325
    for byte in name.encode():
        key = (key ^ byte) * 0x100000001B3 % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(key) + np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float32) / np.float32(2**23) - np.float32(1)).reshape(shape)


def value(name, shape):
    """The golden value of one parameter or statistic, float32."""
    u = uniform(name, shape)
    if name.endswith("convolution.weight") or name == "classifier.weight":
        return u * np.float32(math.sqrt(6 / math.prod(shape[1:])))
    if name.endswith("normalization.weight"):
        return np.float32(1) + np.float32(0.25) * u
    if name.endswith("running_var"):
        return np.float32(1) + np.float32(0.5) * u
    if name.endswith("normalization.bias") and "reduce_1x1" not in name:
        # Around 0 most inputs of a ReLU6 would be near its corner, and ten steps in one precision would part from
        # ten in the other by a thousandth, both being right.
        return np.float32(1.5) + np.float32(0.25) * u
    return np.float32(0.25) * u


def model(width, dtype):
    config = MobileNetV2Config(depth_multiplier=width, num_labels=CLASSES, classifier_dropout_prob=0.0)
    net = MobileNetV2ForImageClassification(config)
    state = net.state_dict()
    net.load_state_dict(
        {
            name: tensor if name.endswith("num_batches_tracked") else torch.from_numpy(value(name, tuple(tensor.shape)))
            for name, tensor in state.items()
        }
    )
    return net.to(dtype)


def batch(number, dtype, side=SIDE):
    pixels = torch.from_numpy(uniform(f"pixels {number} {side}", (BATCH, 3, side, side))).to(dtype)
    teacher = 4 * torch.from_numpy(uniform(f"teacher {number}", (BATCH, CLASSES))).to(torch.float64)
    soft_targets = torch.softmax(teacher / TEMPERATURE, dim=1).to(torch.float32).to(dtype)
    labels = torch.tensor([(number + index) % CLASSES for index in range(BATCH)])
    return pixels, labels, soft_targets


def loss(logits, labels, soft_targets):
    """The reference experiment's loss; -1 is unlabelled."""
    hard = torch.nn.functional.cross_entropy(logits, labels, ignore_index=-1)
    divergence = torch.nn.KLDivLoss(reduction="batchmean")
    soft = divergence(torch.log_softmax(logits / TEMPERATURE, dim=1), soft_targets) * TEMPERATURE**2
    return (1 - LAMBDA) * hard + LAMBDA * soft, hard, soft


def summary(tensor):
    """Norm and evenly spaced samples, so that a large tensor needs little room."""
    flat = tensor.detach().to(torch.float64).flatten()
    stride = max(1, flat.numel() // SAMPLES)
    return {"norm": flat.norm().item(), "samples": flat[::stride][:SAMPLES].tolist()}


def evaluated(dtype):
    """Logits with the running statistics, at many widths and at even and odd sizes."""
    cases = [(0.35, 64), (0.5, 33), (0.75, 50), (1.0, 35), (1.3, 32), (1.4, 47)]
    with torch.no_grad():
        return [
            {
                "width": width,
                "side": side,
                "logits": model(width, dtype).eval()(batch(0, dtype, side)[0]).logits.tolist(),
            }
            for width, side in cases
        ]


def one_step(dtype):
    """A training step's logits, loss, gradients, and the running statistics after it."""
    net = model(0.35, dtype).train()
    pixels, labels, soft_targets = batch(0, dtype)
    labels[-1] = -1
    logits = net(pixels).logits
    total, hard, soft = loss(logits, labels, soft_targets)
    total.backward()
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), math.inf)
    return {
        "labels": labels.tolist(),
        "logits": logits.tolist(),
        "total": total.item(),
        "hard": hard.item(),
        "soft": soft.item(),
        "gradient_norm": norm.item(),
        "gradients": {name: summary(parameter.grad) for name, parameter in net.named_parameters()},
        "running": {name: summary(buffer) for name, buffer in net.named_buffers() if "running_" in name},
    }


def ten_steps(dtype, rate, weight_decay):
    """Ten steps as the Hugging Face Trainer takes them: AdamW, linear decay to 0, global clipping at 1."""
    net = model(0.35, dtype).train()
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay
    )
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 0, 10)
    losses, norms = [], []
    for step in range(10):
        pixels, labels, soft_targets = batch(step % 3, dtype)
        total, _, _ = loss(net(pixels).logits, labels, soft_targets)
        optimizer.zero_grad()
        total.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0).item())
        optimizer.step()
        schedule.step()
        losses.append(total.item())
    return {"rate": rate, "weight_decay": weight_decay, "losses": losses, "gradient_norms": norms}


def everything(dtype):
    return {
        "evaluated": evaluated(dtype),
        "one_step": one_step(dtype),
        "ten_steps": [ten_steps(dtype, 5e-5, 0.0), ten_steps(dtype, 1e-3, 0.01)],
    }


def numbers(tree, path=""):
    if isinstance(tree, dict):
        for key, branch in tree.items():
            yield from numbers(branch, f"{path}/{key}")
    elif isinstance(tree, list) and tree and isinstance(tree[0], (dict, list)):
        for index, branch in enumerate(tree):
            yield from numbers(branch, f"{path}/{index}")
    else:
        yield path, np.atleast_1d(np.array(tree, dtype=np.float64))


def distance(double, single):
    """The largest distance of single from double precision, over the scale of the numbers it belongs to, by part."""
    worst = {}
    for (path, a), (_, b) in zip(numbers(double), numbers(single)):
        part = "/".join(path.split("/")[1:3])
        scale = np.abs(a).max() + (1e-6 if "gradients" in path else 0)
        worst[part] = max(worst.get(part, 0.0), float(np.abs(a - b).max() / max(scale, 1e-30)))
    return worst


def check(folder):
    from transformers import AutoImageProcessor, AutoModelForImageClassification

    net = AutoModelForImageClassification.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder)
    print(type(processor).__name__, processor.size, processor.image_mean, net.config.id2label)
    with torch.no_grad():
        print(json.dumps(net(batch(0, torch.float32)[0]).logits.tolist()))


def main():
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", metavar="FOLDER")
    folder = parser.parse_args().check
    if folder:
        return check(folder)
    goldens = everything(torch.float64)
    for part, worst in distance(goldens, everything(torch.float32)).items():
        print(f"PyTorch's float32 against float64, {part}: {worst:.1e}")
    goldens["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    goldens["state_dict"] = {
        name: {"shape": list(tensor.shape), "dtype": str(tensor.dtype)}
        for name, tensor in model(0.35, torch.float32).state_dict().items()
    }
    path = Path(__file__).with_name("goldens.json")
    path.write_text(json.dumps(goldens, indent=1) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
