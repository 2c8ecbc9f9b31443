#!/usr/bin/env python3
"""Split imagenette for docs/evidence.md: 100 train images of each class become validation, its val becomes test.

    python3 split.py SOURCE OUT     # SOURCE has train/ and val/; writes OUT/imagenette-100, imagenette-10 and imagenette-1

The number is the share of the train images that keep their label, in per cent; the others lie in `unlabelled/`. Files are hard links.
"""

import os
import pathlib
import random
import sys

VALIDATION = 100


def main():
    source, out = map(pathlib.Path, sys.argv[1:])
    for share in [100, 10, 1]:
        split(source, out / f"imagenette-{share}", share)


def split(source, root, share):
    for name in sorted(path.name for path in (source / "train").iterdir()):
        files = sorted((source / "train" / name).iterdir())
        random.Random(f"validation {name}").shuffle(files)
        rest = files[VALIDATION:]
        labelled = max(1, round(len(rest) * share / 100))
        for file in files[:VALIDATION]:
            link(file, root / "validation" / name / file.name)
        for index, file in enumerate(rest):
            link(file, root / "train" / name / file.name if index < labelled else root / "unlabelled" / file.name)
        for file in (source / "val" / name).iterdir():
            link(file, root / "test" / name / file.name)


def link(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    os.link(source, target)


if __name__ == "__main__":
    main()
