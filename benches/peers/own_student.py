"""A ResNet-18 from the cache beside the online loop, which runs the teacher in every step: accuracy, seconds an epoch, largest difference of a loss.

    python benches/peers/own_student.py CACHE IMAGES TEACHER.onnx [--epochs 3] [--size 112]     (pip install torch torchvision onnxruntime)

Both train the same student from the same weights on the same batches, epoch by epoch in turn. CACHE has one view
(`cache.views = 1`). At the teacher's size the online loop decodes each image once, at another one for each network.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
import torchvision
from torch.utils.data import DataLoader

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))
from decant import Cache, CachedDataset, losses  # noqa: E402


def main(args: argparse.Namespace) -> None:
    cache = Cache(args.cache)
    height, _ = cache.manifest.resize.exact
    half = (0.5, 0.5, 0.5)
    train = CachedDataset(cache, "train", args.images, args.size, 5.0, half, half)
    at_teachers_size = CachedDataset(cache, "train", args.images, height, 5.0, half, half, check=False)
    if train.split.views > 1:
        sys.exit(f"{args.cache} has {train.split.views} views, expected one: make a cache with --set cache.views=1")
    test = CachedDataset(cache, "test", args.images, args.size, 5.0, half, half, check=False)
    teacher = onnxruntime.InferenceSession(args.teacher, providers=["CPUExecutionProvider"])

    def online_soft(samples: list[int], seen: torch.Tensor) -> torch.Tensor:
        # At the teacher's size both see the same pixels, and an online loop decodes an image once.
        pixels = seen.numpy() if args.size == height else np.stack([at_teachers_size.images.image(int(train.split.rows(sample)), height, half, half) for sample in samples])
        [logits] = teacher.run(["logits"], {"pixel_values": pixels})
        return F.softmax(torch.from_numpy(logits) / 5.0, 1)

    students, times, lost = {}, {"cache": 0.0, "online": 0.0}, {"cache": [], "online": []}
    for which in times:
        torch.manual_seed(0)
        student = torchvision.models.resnet18(num_classes=len(cache.classes))
        students[which] = student, torch.optim.AdamW(student.parameters(), 1e-3, weight_decay=0.05)
    for epoch in range(args.epochs):
        train.set_epoch(epoch)
        for which, (student, optimizer) in students.items():
            student.train()
            start = time.perf_counter()
            order = list(train.sampler)
            for at, batch in enumerate(DataLoader(train, 32, sampler=train.sampler)):
                if which == "online":
                    batch["soft"] = online_soft(order[at * 32 : at * 32 + 32], batch["pixel_values"])
                loss = losses.distillation(student(batch["pixel_values"]), batch, "kd", 5.0, 0.5)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                lost[which].append(loss.item())
            times[which] += time.perf_counter() - start
    first = abs(lost["cache"][0] - lost["online"][0])
    print(f"{train.split.samples} images of {args.size} x {args.size}, {args.epochs} epochs; the first step's losses differ by {first:.1e}")
    for which, (student, _) in students.items():
        student.eval()
        with torch.no_grad():
            right = sum((student(batch["pixel_values"]).argmax(1) == batch["labels"]).sum().item() for batch in DataLoader(test, 64))
        print(f"{which}: {times[which] / args.epochs:.1f} s an epoch, {right / len(test):.1%} on test")
    print(f"the online loop takes {times['online'] / times['cache']:.2f} times as long")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("cache", "images", "teacher"):
        parser.add_argument(name)
    parser.add_argument("--epochs", type=int, default=3), parser.add_argument("--size", type=int, default=112)
    torch.set_num_threads(1)
    main(parser.parse_args())
