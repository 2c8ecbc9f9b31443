#!/usr/bin/env python3
"""Draws the figures of the docs from the committed results: docs/images/*.svg. Nothing but the standard library.

    python3 benches/figures.py             # writes the figures
    python3 benches/figures.py --check     # exit code 1 where a file is not what the results give

The same results give the same bytes. Colours follow the reader's light or dark theme.
"""

import csv
import json
import math
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
EVIDENCE = ROOT / "docs/evidence"
IMAGES = ROOT / "docs/images"
STYLE = """
    text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1f2328; }
    .small { font-size: 12px; fill: #59636e; }
    .title { font-size: 15px; font-weight: 600; }
    .value { font-weight: 600; }
    .grid { stroke: #d1d9e0; stroke-width: 1; }
    .mean { stroke-width: 3; stroke-linecap: round; }
    .labels { fill: #9a6700; stroke: #9a6700; }
    .taught { fill: #0969da; stroke: #0969da; }
    .dot { fill-opacity: 0.5; stroke: none !important; }
    .bar { stroke: none !important; }
    .teacher { stroke: #59636e; stroke-width: 1.5; stroke-dasharray: 5 4; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .small { fill: #9198a1; }
      .grid { stroke: #3d444d; }
      .labels { fill: #d29922; stroke: #d29922; }
      .taught { fill: #4493f8; stroke: #4493f8; }
      .teacher { stroke: #9198a1; }
    }
"""


def main():
    figures = {"labels.svg": labels(), **initial_weights(), **online()}
    stale = []
    for name, text in figures.items():
        path = IMAGES / name
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(name)
    if stale:
        sys.exit(f"stale, run python3 benches/figures.py: {' '.join(stale)}")


class Drawing:
    def __init__(self, width, height, title):
        self.width, self.height, self.title = width, height, title
        self.parts = []

    def line(self, x1, y1, x2, y2, name):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{name}"/>')

    def dot(self, x, y, name, radius=5):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{name}"/>')

    def bar(self, x, y, width, height, name):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" class="{name}"/>')

    def text(self, x, y, text, anchor="middle", name=""):
        named = f' class="{name}"' if name else ""
        escaped = text.replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escaped}</text>')

    def svg(self):
        body = "\n  ".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}" '
            f'role="img" aria-label="{self.title}">\n  <title>{self.title}</title>\n  <style>{STYLE}  </style>\n  {body}\n</svg>\n'
        )


def accuracies(name):
    """Test accuracies in percent by lambda, seeds in order."""
    found = {}
    with open(EVIDENCE / f"{name}.csv") as file:
        for row in sorted(csv.DictReader(file), key=lambda row: int(row["train.seed"])):
            found.setdefault(float(row["train.lambda"]), []).append(100 * float(row["test_accuracy"]))
    return found


def labels():
    """Each seed as a dot: labels only and taught, at 1, 10 and 100 % of the labels, and of all at temperature 4 and in 40 epochs."""
    settings = [
        ("imagenette-1", "1 % of the labels", "87 images"), ("imagenette-10", "10 %", "847 images"),
        ("imagenette-100", "all", "8,469 images"), ("imagenette-100-t4", "all, T = 4", "8,469 images"),
        ("imagenette-100-long", "all, 40 epochs", "8,469 images"),
    ]
    found = [(accuracies(name), *words) for name, *words in settings]
    top = 10 * math.ceil(max(max(values) for setting, *_ in found for values in setting.values()) / 10)
    width, left, right, above, below = 90 + 180 * len(found), 60, 20, 78, 62
    drawing = Drawing(width, 400, "Test accuracy by share of labels, labels only against taught")
    height = drawing.height - above - below
    y = lambda value: above + height * (1 - value / top)
    drawing.text(20, 26, "Test accuracy of a small student on ten ImageNet classes", "start", "title")
    for x, name, words in [(26, "labels", "labels only"), (140, "taught", "taught by the cached teacher, on all images")]:
        drawing.dot(x, 50, name)
        drawing.text(x + 11, 54.5, words, "start")
    for value in range(0, top + 1, 20 if top > 60 else 10):
        drawing.line(left, y(value), width - right, y(value), "grid")
        drawing.text(left - 8, y(value) + 4, f"{value} %", "end", "small")
    step = (width - left - right) / len(found)
    for index, (setting, words, images) in enumerate(found):
        centre = left + step * (index + 0.5)
        for side, (name, weight) in enumerate([("labels", 0.0), ("taught", max(setting))]):
            values = setting[weight]
            mean = statistics.mean(values)
            middle = centre + (-1 if side == 0 else 1) * step * 0.2
            drawing.line(middle - 19, y(mean), middle + 19, y(mean), f"mean {name}")
            apart = min(7.5, 60 / (len(values) - 1))
            for seed, value in enumerate(values):
                drawing.dot(middle + (seed - (len(values) - 1) / 2) * apart, y(value), f"dot {name}")
            drawing.text(middle, y(max(values)) - 11, f"{mean:.1f} %", name="value")
        drawing.text(centre, drawing.height - 38, words)
        drawing.text(centre, drawing.height - 20, images, name="small")
    return drawing.svg()


def initial_weights():
    """Validation accuracy by epoch from two kinds of initial weights: the mean over seeds, and each seed."""
    path = EVIDENCE / "initial-weights.csv"
    if not path.exists():
        return {}
    curves = {}
    with open(path) as file:
        for row in csv.DictReader(file):
            seeds = curves.setdefault(row["student.initializer"], {})
            seeds.setdefault(row["train.seed"], []).append(100 * float(row["validation_accuracy"]))
    epochs = len(next(iter(curves["kaiming"].values())))
    top = 10 * math.ceil(max(max(map(max, seeds.values())) for seeds in curves.values()) / 10)
    drawing = Drawing(640, 340, "Validation accuracy by epoch from two kinds of initial weights")
    left, right, above, below = 60, 20, 78, 52
    x = lambda epoch: left + 10 + (drawing.width - left - right - 20) * (epoch - 1) / (epochs - 1)
    y = lambda value: above + (drawing.height - above - below) * (1 - value / top)
    drawing.text(20, 26, "Ten ImageNet classes, labels only, from random weights", "start", "title")
    for at, name, words in [(26, "taught", "kaiming, the default"), (200, "labels", "transformers, normal with deviation 0.02")]:
        drawing.dot(at, 50, name)
        drawing.text(at + 11, 54.5, words, "start")
    for value in range(0, top + 1, 20 if top > 60 else 10):
        drawing.line(left, y(value), drawing.width - right, y(value), "grid")
        drawing.text(left - 8, y(value) + 4, f"{value} %", "end", "small")
    for epoch in range(1, epochs + 1):
        drawing.text(x(epoch), drawing.height - 28, str(epoch), name="small")
    drawing.text(left + (drawing.width - left - right) / 2, drawing.height - 8, "epoch", name="small")
    for initializer, name in [("transformers", "labels"), ("kaiming", "taught")]:
        seeds = curves[initializer].values()
        means = [statistics.mean(values) for values in zip(*seeds)]
        for epoch in range(1, epochs):
            drawing.line(x(epoch), y(means[epoch - 1]), x(epoch + 1), y(means[epoch]), f"mean {name}")
        for values in seeds:
            for epoch, value in enumerate(values, 1):
                drawing.dot(x(epoch), y(value), f"dot {name}", 4)
    return {"initial-weights.svg": drawing.svg()}


def online():
    """The time of sweeps with the teacher in the loop and with the cache, from docs/benchmarks/online.json."""
    path = ROOT / "docs/benchmarks/online.json"
    if not path.exists():
        return {}
    result = json.loads(path.read_text())
    drawing = Drawing(640, 210, "Time of one run and of twelve runs, teacher in the loop against cache")
    drawing.text(20, 26, "Time on two CPU cores, 30 epochs a run", "start", "title")
    longest = max(row["online_minutes"] for row in result["experiments"])
    y = 50
    for row in result["experiments"]:
        drawing.text(20, y + 24, f"{row['runs']} run{'s' if row['runs'] > 1 else ''}", "start")
        for offset, name, key, words in [(0, "labels", "online_minutes", "teacher in the loop"), (24, "taught", "decant_minutes", "decant, both stages")]:
            length = max(3, 330 * row[key] / longest)
            drawing.bar(85, y + offset, length, 18, f"bar {name}")
            drawing.text(85 + length + 8, y + offset + 13.5, f"{minutes(row[key])}, {words}", "start", "small")
        y += 70
    return {"online.svg": drawing.svg()}


def minutes(value):
    return f"{value:.0f} min" if value < 120 else f"{value / 60:.1f} h"


if __name__ == "__main__":
    main()
