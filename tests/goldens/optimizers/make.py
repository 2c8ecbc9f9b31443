"""Writes goldens.json: where each of PyTorch's optimisers goes from the same weights along the same gradients, and the
moving average of SGD's weights, for tests/optimizers.rs to compare.

    python make.py        # needs torch and numpy

Every case takes six steps on three parameters: a convolution's weight, a BatchNorm's weight, a bias. Gradients are a formula of
name and step (`uniform` of ../student/make.py), far from the scale of the weights in one step and near it in another.
Lion and LAMB are not PyTorch's; their update is written out from the papers. Everything is in double precision.
"""

import importlib.util
import json
from pathlib import Path

import torch

spec = importlib.util.spec_from_file_location("student", Path(__file__).parent.parent / "student" / "make.py")
student = importlib.util.module_from_spec(spec)
spec.loader.exec_module(student)

SHAPES = {"convolution.weight": (4, 3, 1, 1), "normalization.weight": (4,), "classifier.bias": (4,)}
RATE, STEPS, EMA = 0.05, 6, 0.9
CASES = {
    "adamw": dict(weight_decay=0.1),
    "adamw, decay on the convolution alone": dict(weight_decay=0.1),
    "adam": dict(weight_decay=0.1),
    "sgd": dict(weight_decay=0.1),
    "sgd, momentum": dict(weight_decay=0.1, momentum=0.9),
    "sgd, nesterov": dict(weight_decay=0.1, momentum=0.9, nesterov=True),
    "sgd, nesterov, decay on the convolution alone": dict(weight_decay=0.1, momentum=0.9, nesterov=True),
    "rmsprop": dict(weight_decay=0.1, momentum=0.9, alpha=0.95, eps=1e-8),
    "lion": dict(weight_decay=0.1, betas=(0.9, 0.99)),
    "lamb": dict(weight_decay=0.1, betas=(0.9, 0.999), eps=1e-6),
}


class Lion(torch.optim.Optimizer):
    """Algorithm 2 of arXiv 2302.06675."""

    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (one, two), rate = group["betas"], group["lr"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                update = (one * m + (1 - one) * p.grad).sign() + group["weight_decay"] * p
                m.copy_(two * m + (1 - two) * p.grad)
                p -= rate * update


class Lamb(torch.optim.Optimizer):
    """Algorithm 2 of arXiv 1904.00962, with phi the identity."""

    def __init__(self, params, lr, betas, eps, weight_decay):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            one, two = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                t = state["t"] = state.get("t", 0) + 1
                m = state.setdefault("m", torch.zeros_like(p))
                v = state.setdefault("v", torch.zeros_like(p))
                m.copy_(one * m + (1 - one) * p.grad)
                v.copy_(two * v + (1 - two) * p.grad**2)
                ratio = m / (1 - one**t) / ((v / (1 - two**t)).sqrt() + group["eps"])
                update = ratio + group["weight_decay"] * p
                p -= group["lr"] * p.norm() / update.norm() * update


OPTIMIZERS = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
    "lion": Lion,
    "lamb": Lamb,
}


def tensor(name, shape):
    return torch.from_numpy(student.uniform(name, shape)).to(torch.float64)


def weights(case, options):
    parameters = {name: torch.nn.Parameter(tensor(name, shape)) for name, shape in SHAPES.items()}
    groups = [{"params": list(parameters.values())}]
    if case.endswith("alone"):
        many = [p for p in parameters.values() if p.ndim > 1]
        one = [p for p in parameters.values() if p.ndim == 1]
        groups = [{"params": many}, {"params": one, "weight_decay": 0.0}]
    optimizer = OPTIMIZERS[case.split(",")[0]](groups, lr=RATE, **options)
    average = {name: p.detach().clone() for name, p in parameters.items()}
    for step in range(STEPS):
        for name, p in parameters.items():
            p.grad = tensor(f"gradient {step} {name}", tuple(p.shape)) * 10.0 ** (step % 3 - 1)
        optimizer.step()
        for name, p in parameters.items():
            average[name].lerp_(p.detach(), 1 - EMA)  # ModelEmaV3 of timm
    flat = lambda tensors: {name: t.detach().flatten().tolist() for name, t in tensors.items()}
    return {"weights": flat(parameters), "average": flat(average)}


def main():
    goldens = {case: weights(case, options) for case, options in CASES.items()}
    path = Path(__file__).with_name("goldens.json")
    path.write_text(json.dumps(goldens, indent=1) + "\n")
    print(f"{path.name}: {path.stat().st_size} bytes, torch {torch.__version__}")


if __name__ == "__main__":
    main()
