#!/usr/bin/env python3
"""The validation accuracy of each epoch of a sweep's runs, as CSV: run, the given keys, epoch, validation_accuracy.

    python3 curves.py SWEEP.csv RUNS student.initializer train.seed > initial-weights.csv

SWEEP.csv is the result of `decant sweep`, RUNS the folder that holds its runs.
"""

import csv
import json
import pathlib
import sys


def main():
    table, runs, *keys = sys.argv[1:]
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(["run", *keys, "epoch", "validation_accuracy"])
    with open(table) as file:
        for row in csv.DictReader(file):
            for line in open(pathlib.Path(runs) / row["run"] / "metrics.jsonl"):
                epoch = json.loads(line)
                out.writerow([row["run"], *(row[key] for key in keys), epoch["epoch"], epoch["validation"]["accuracy"]])


if __name__ == "__main__":
    main()
