#!/usr/bin/env python3
"""The primary table of docs/evidence.md from the results of its sweeps (docs/evidence/imagenette-*.csv).

    python3 table.py docs/evidence/imagenette-*.csv
    python3 table.py docs/evidence/imagenette-100-long.csv,docs/evidence/imagenette-100-long-again.csv    # the seeds of both in one row

Two-sided paired t-tests over seeds, with Holm's correction over the files. Needs no package: Student's t by numerical integration.
"""

import csv
import math
import pathlib
import statistics
import sys


def main():
    rows = [measure([pathlib.Path(path) for path in paths.split(",")]) for paths in sys.argv[1:]]
    corrected = holm([row["p"] for row in rows])
    print("| labels | labels only | taught | gain | 95 % interval | p | corrected p |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row, p in zip(rows, corrected):
        low, high = row["interval"]
        print(f"| {row['name']} | {spread(row['scratch'])} | {spread(row['taught'])} | {row['gain']:+.1f} | {low:+.1f} to {high:+.1f} | {row['p']:.2g} | {p:.2g} |")


def measure(paths):
    runs = {0.0: {}, 1.0: {}}
    for row in (row for path in paths for row in csv.DictReader(path.read_text().splitlines())):
        if row["status"] == "done":
            runs[float(float(row["train.lambda"]) > 0)][row["train.seed"]] = 100 * float(row["test_accuracy"])
    seeds = sorted(runs[0.0].keys() & runs[1.0].keys())
    scratch, taught = [runs[0.0][seed] for seed in seeds], [runs[1.0][seed] for seed in seeds]
    differences = [a - b for a, b in zip(taught, scratch)]
    mean, error = statistics.mean(differences), statistics.stdev(differences) / math.sqrt(len(seeds))
    degrees = len(seeds) - 1
    half = quantile(degrees) * error
    return {
        "name": " and ".join(path.stem for path in paths), "scratch": scratch, "taught": taught, "gain": mean,
        "interval": (mean - half, mean + half), "p": two_sided(mean / error, degrees),
    }


def spread(values):
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f} %"


def two_sided(t, degrees, steps=20000):
    """The probability beyond |t| on both sides: Simpson's rule after x = tan(angle) * sqrt(degrees)."""
    start, end = math.atan(abs(t) / math.sqrt(degrees)), math.pi / 2
    height = lambda angle: math.cos(angle) ** (degrees - 1)
    width = (end - start) / steps
    total = height(start) + height(end) + sum((4 if i % 2 else 2) * height(start + i * width) for i in range(1, steps))
    scale = math.gamma((degrees + 1) / 2) / (math.sqrt(math.pi) * math.gamma(degrees / 2))
    return 2 * scale * total * width / 3


def quantile(degrees):
    """The t beyond which 2.5 % lie on each side."""
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided(middle, degrees, 2000) > 0.05 else (low, middle)
    return low


def holm(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    corrected, largest = [0.0] * len(values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = largest
    return corrected


if __name__ == "__main__":
    main()
