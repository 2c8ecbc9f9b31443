"""The loader of the Python package beside a plain ImageFolder loader without a teacher, and its gather beside numpy.memmap, in alternating runs.

    python benches/peers/loader.py CACHE IMAGES [--rounds 5] [--workers 0]     (pip install torch torchvision, and this checkout's python/)

CACHE was made from the image folder IMAGES with views; both loaders give crops of 224 x 224 pixels, flipped at random, normalised. For the gather
a column of 65,536 rows x 1000 classes is written to a temporary file, where it is not aligned, as in a shard.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))
from decant import Cache, CachedDataset  # noqa: E402
from decant.cache import Column  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def seconds(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def alternate(name: str, ours, theirs, rounds: int) -> None:
    ours(), theirs()
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    ratios = sorted(a / b for a, b in pairs)
    a, b = (statistics.median(times) for times in zip(*pairs))
    print(f"{name}: {a:.3f} s beside {b:.3f} s; ratio {statistics.median(ratios):.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f} in {rounds} runs")


def loaders(cache: Cache, images: str, workers: int, rounds: int) -> None:
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import v2

    steps = [v2.RandomResizedCrop(224), v2.RandomHorizontalFlip(), v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    plain = ImageFolder(f"{images}/train", v2.Compose(steps))
    ours = CachedDataset(cache, "train", images, 224, 5.0, MEAN, STD)
    assert len(plain) == len(ours), (len(plain), len(ours))
    plain_loader = DataLoader(plain, 32, shuffle=True, num_workers=workers)
    our_loader = DataLoader(ours, 32, sampler=ours.sampler, num_workers=workers)

    def epoch(loader) -> None:
        for _ in loader:
            pass

    alternate(f"an epoch of {len(ours)} images, CachedDataset beside ImageFolder", lambda: epoch(our_loader), lambda: epoch(plain_loader), rounds)


def gather(rounds: int, rows: int = 65536, width: int = 1000, batch: int = 256) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(17) + np.random.default_rng(0).random(rows * width, np.float32).tobytes())
        file.flush()
        mapped = np.memmap(file.name, np.uint8, "r")
        column = Column.__new__(Column)
        column.name, column._step = "soft_t5", rows
        column.chunks = [np.frombuffer(mapped[17:].data, "<f4").reshape(rows, width)]
        column._bytes = [np.frombuffer(column.chunks[0].data, np.uint8).reshape(rows, -1)]
        memmap = np.memmap(file.name, "<f4", "r", offset=17, shape=(rows, width))
        batches = np.random.default_rng(1).integers(0, rows, (200, batch))
        assert np.array_equal(column[batches[0]], memmap[batches[0]])
        alternate(
            f"{len(batches)} batches of {batch} rows x {width}, Column beside numpy.memmap",
            lambda: [column[rows] for rows in batches],
            lambda: [memmap[rows] for rows in batches],
            rounds,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache"), parser.add_argument("images")
    parser.add_argument("--rounds", type=int, default=5), parser.add_argument("--workers", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    gather(args.rounds)
    loaders(Cache(args.cache), args.images, args.workers, args.rounds)
