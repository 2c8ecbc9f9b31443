#!/usr/bin/env python3
"""The secondary table of docs/evidence.md: what each change does to the test accuracy of the taught student, over the seeds that both have.

    python3 differences.py docs/evidence/imagenette-10.csv docs/evidence/secondary-*.csv

Each file is the result of a sweep. The runs to compare with are the taught ones of the first file.
Means and standard deviations in percent, differences in points, paired by seed. No p: the protocol claims no significance for them.
"""

import csv
import pathlib
import statistics
import sys

# The keys that may vary within a file.
KEYS = ["train.temperature", "train.lambda"]


def main():
    first, *others = map(pathlib.Path, sys.argv[1:])
    [base] = configurations(first, lambda row: float(row["train.lambda"]) > 0).values()
    print("| runs | seeds | test | difference |")
    print("| --- | ---: | ---: | ---: |")
    print(f"| {first.stem}, taught | {len(base)} | {spread(base.values(), '.1f')} % | |")
    for path in others:
        for name, seeds in configurations(path).items():
            differences = [seeds[seed] - base[seed] for seed in sorted(seeds.keys() & base.keys())]
            print(f"| {name} | {len(seeds)} | {spread(seeds.values(), '.1f')} % | {spread(differences, '+.1f')} |")


def configurations(path, wanted=lambda row: True):
    """Test accuracies in percent of each configuration, by seed; a file's configurations are told apart by what varies in it."""
    with open(path) as file:
        rows = [row for row in csv.DictReader(file) if row["status"] == "done" and wanted(row)]
    varied = [key for key in KEYS if len({row.get(key) for row in rows}) > 1]
    found = {}
    for row in rows:
        name = ", ".join([path.stem, *(f"{key} = {row[key]}" for key in varied)])
        found.setdefault(name, {})[row["train.seed"]] = 100 * float(row["test_accuracy"])
    return found


def spread(values, digits):
    return f"{statistics.mean(values):{digits}} ± {statistics.stdev(values):.1f}"


if __name__ == "__main__":
    main()
