"""Writes goldens.json: the spread of torchvision's initial weights, for tests/library/student_initial.rs to compare.

    python make.py      # needs torch and torchvision

Of each weight with two or more dimensions, in the order of the network: its shape, and the standard deviation of its values over 64 draws.
"""

import json
from pathlib import Path

import torch
import torchvision

NETWORKS = {
    "mobilenet-v2 x0.5": lambda: torchvision.models.mobilenet_v2(num_classes=3, width_mult=0.5),
    "mobilenet-v2 x1": lambda: torchvision.models.mobilenet_v2(num_classes=3),
}


def main():
    goldens = {name: spreads(make) for name, make in NETWORKS.items()}
    text = json.dumps(goldens).replace('], ["', '],\n["').replace("], [[", "],\n[[")
    (Path(__file__).parent / "goldens.json").write_text(text + "\n")


def spreads(make, draws=64):
    torch.manual_seed(0)
    squares, shapes = None, None
    for _ in range(draws):
        weights = [value for value in make().state_dict().values() if value.dim() > 1]
        shapes = [list(weight.shape) for weight in weights]
        now = [weight.double().square().mean().item() for weight in weights]
        squares = now if squares is None else [a + b for a, b in zip(squares, now)]
    return [[shape, round((square / draws) ** 0.5, 6)] for shape, square in zip(shapes, squares)]


if __name__ == "__main__":
    main()
