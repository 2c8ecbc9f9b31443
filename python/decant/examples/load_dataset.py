"""A cache as a Hugging Face dataset: its shards are parquet files, which `load_dataset` reads without any code of decant's.

    python -m decant.examples.load_dataset CACHE

Needs the package datasets. Values are copied to Arrow files of its own; `decant.Cache` maps the shards themselves, and checks them.
"""

import sys
from pathlib import Path

import numpy as np
from datasets import load_dataset


def main(cache: str) -> None:
    # The folder is enough: train, validation and test are found by their names.
    splits = load_dataset(cache)
    # A split by its shards.
    train = load_dataset(f"{cache}/train", split="train").with_format("numpy")
    soft = next(name for name in train.column_names if name.startswith(("soft_t", "rest_t")))
    batch = train[:4]
    print({name: len(split) for name, split in splits.items()}, train.column_names)
    for at, path in enumerate(batch["path"]):
        print(path, "view", batch["view"][at], "label", batch["label"][at], soft, np.round(batch[soft][at], 4))


if __name__ == "__main__":
    if len(sys.argv) != 2 or "--help" in sys.argv:
        sys.exit(__doc__)
    main(str(Path(sys.argv[1])))
