"""Writes goldens.json: what PyTorch and transformers compute for a ResNet-18, for tests/library/student_resnet.rs to compare.

    python make.py                  # needs torch, transformers and numpy

Weights, pixels and teacher are a formula of name and index, as in ../student/make.py, so no weights are committed. Everything
is computed in double precision; the script prints how far PyTorch's own single precision is from that, which is what the
test's tolerances are set against.
"""

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import ResNetConfig, ResNetForImageClassification

HERE = Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location("student", HERE.parent / "student" / "make.py")
student = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(student)

STEPS, RATE, WEIGHT_DECAY = 3, 1e-3, 0.01


def value(name, shape):
    """The golden value of one parameter or statistic, float32."""
    u = student.uniform(name, shape)
    if name.endswith("convolution.weight") or name == "classifier.1.weight":
        return u * np.float32(math.sqrt(6 / math.prod(shape[1:])))
    if name.endswith("layer.1.normalization.weight"):
        # The sum over many blocks stays small.
        return np.float32(0.5) + np.float32(0.25) * u
    if name.endswith("normalization.weight"):
        return np.float32(1) + np.float32(0.25) * u
    if name.endswith("running_var"):
        return np.float32(1) + np.float32(0.5) * u
    return np.float32(0.25) * u


def config():
    """microsoft/resnet-18's."""
    return ResNetConfig(
        embedding_size=64,
        hidden_sizes=[64, 128, 256, 512],
        depths=[2, 2, 2, 2],
        layer_type="basic",
        hidden_act="relu",
        downsample_in_first_stage=False,
        num_labels=student.CLASSES,
    )


def model(dtype):
    net = ResNetForImageClassification(config())
    state = net.state_dict()
    net.load_state_dict(
        {
            name: tensor if name.endswith("num_batches_tracked") else torch.from_numpy(value(name, tuple(tensor.shape)))
            for name, tensor in state.items()
        }
    )
    return net.to(dtype)


def evaluated(dtype):
    """Logits with the running statistics, at even and odd sizes."""
    with torch.no_grad():
        return [
            {"side": side, "logits": model(dtype).eval()(student.batch(0, dtype, side)[0]).logits.tolist()}
            for side in (64, 33, 50, 75)
        ]


def one_step(dtype):
    """A training step's logits, loss, gradients, and the running statistics after it."""
    net = model(dtype).train()
    pixels, labels, soft_targets = student.batch(0, dtype)
    labels[-1] = -1
    logits = net(pixels).logits
    total, hard, soft = student.loss(logits, labels, soft_targets)
    total.backward()
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), math.inf)
    return {
        "labels": labels.tolist(),
        "logits": logits.tolist(),
        "total": total.item(),
        "hard": hard.item(),
        "soft": soft.item(),
        "gradient_norm": norm.item(),
        "gradients": {name: student.summary(parameter.grad) for name, parameter in net.named_parameters()},
        "running": {name: student.summary(buffer) for name, buffer in net.named_buffers() if "running_" in name},
    }


def steps(dtype):
    """Steps as the Hugging Face Trainer takes them: AdamW, linear decay to 0, global clipping at 1."""
    net = model(dtype).train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=WEIGHT_DECAY)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 0, STEPS)
    losses, norms = [], []
    for step in range(STEPS):
        pixels, labels, soft_targets = student.batch(step, dtype)
        total, _, _ = student.loss(net(pixels).logits, labels, soft_targets)
        optimizer.zero_grad()
        total.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0).item())
        optimizer.step()
        schedule.step()
        losses.append(total.item())
    return {
        "rate": RATE,
        "weight_decay": WEIGHT_DECAY,
        "losses": losses,
        "gradient_norms": norms,
        "weights": {name: student.summary(parameter) for name, parameter in net.named_parameters()},
    }


def initial():
    """Mean, standard deviation and largest value of each parameter and statistic of a new network."""
    torch.manual_seed(0)
    return {
        name: {
            "mean": tensor.double().mean().item(),
            "deviation": tensor.double().std(correction=0).item(),
            "largest": tensor.abs().max().item(),
        }
        for name, tensor in ResNetForImageClassification(config()).state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def everything(dtype):
    return {"evaluated": evaluated(dtype), "one_step": one_step(dtype), "steps": steps(dtype)}


def main():
    torch.set_num_threads(1)
    goldens = everything(torch.float64)
    for part, worst in student.distance(goldens, everything(torch.float32)).items():
        print(f"PyTorch's float32 against float64, {part}: {worst:.1e}")
    goldens["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    goldens["initial"] = initial()
    goldens["state_dict"] = {
        name: {"shape": list(tensor.shape), "dtype": str(tensor.dtype)}
        for name, tensor in model(torch.float32).state_dict().items()
    }
    path = HERE / "goldens.json"
    path.write_text(json.dumps(goldens, indent=1) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
