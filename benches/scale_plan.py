#!/usr/bin/env python3
"""The arithmetic of docs/design/scale.md: what a cache costs on many GPUs, from rates that were measured or are assumed.

    python3 benches/scale_plan.py                     # the tables of the page
    python3 benches/scale_plan.py --rate 900          # another teacher: views a second of one GPU
"""

import argparse

# Bytes of a row beside its logits and targets: hashes, label, crop, levels. cache/README.md has measured rows.
BESIDE = 85
SHARD_RECORD = 600  # bytes of a shard's JSON record, and of its entry in complete.json
LARGEST_COLUMN = 1 << 30  # shard_rows * classes * 4 may not be more: cache/README.md


def row_bytes(encoding, classes, temperatures):
    if encoding == "float32":
        return BESIDE + 4 * classes * (1 + temperatures)
    if encoding == "float16":
        return BESIDE + 2 * classes * (1 + temperatures)
    kept = int(encoding.removeprefix("top-"))
    return BESIDE - 20 + 8 * kept + 4 * temperatures


def clock(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def size(count):
    for unit, scale in [("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)]:
        if count >= scale:
            return f"{count / scale:.1f} {unit}"
    return f"{count / 1e3:.1f} kB"


def dataset(name, train, other, classes, image_bytes, views, gpus, args):
    rows = train * views + other
    images = train + other
    print(f"\n{name}: {images:,} images, {views} views, {rows:,} rows, {classes:,} classes, 4 temperatures")
    print(f"images on disk {size(images * image_bytes)}; listing in memory {size(images * args.listing)} a process")
    for count in gpus:
        teacher = rows / (args.rate * count)
        hashing = images * image_bytes / args.read
        print(
            f"  {count:>3} GPUs: teacher {clock(teacher)}, {teacher * count / 3600:.0f} GPU hours; hashing the "
            f"dataset the first time, {clock(hashing)}; at most {args.rate / args.prepares:.0f} cores a GPU prepare images"
        )
    shard_rows = 4096
    while 2 * shard_rows * classes * 4 <= LARGEST_COLUMN and shard_rows < 65536:
        shard_rows *= 2
    shards = -(-train * views // shard_rows) + -(-other // shard_rows)
    print(f"  shards of {shard_rows:,} rows: {shards:,}, as many records, complete.json {size(shards * SHARD_RECORD)}")
    print(f"  memory of two shards' logits and two columns {size(4 * shard_rows * classes * 4)} a process")
    for encoding in ["float32", "float16", "top-50", "top-100"]:
        whole = rows * row_bytes(encoding, classes, 4)
        single = rows * row_bytes(encoding, classes, 1)
        shard = shard_rows * row_bytes(encoding, classes, 4)
        print(f"  {encoding:>8}: {size(whole):>9}, {size(single):>9} with one temperature; a shard {size(shard)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=2000, help="views a second of the teacher on one GPU (assumed)")
    parser.add_argument("--read", type=float, default=1e9, help="bytes a second that a process reads and hashes (assumed)")
    parser.add_argument("--prepares", type=float, default=PREPARES, help="images a second that a core decodes and resizes")
    parser.add_argument("--listing", type=float, default=LISTING, help="bytes of a sample in memory (measured here)")
    args = parser.parse_args()
    dataset("ImageNet-1k", 1_281_167, 50_000, 1000, 115e3, 10, [1, 8, 64], args)
    dataset("ImageNet-22k", 14_197_122, 0, 21_841, 95e3, 50, [64], args)


# Measured: docs/design/scale.md.
PREPARES, LISTING = 190, 62

if __name__ == "__main__":
    main()
