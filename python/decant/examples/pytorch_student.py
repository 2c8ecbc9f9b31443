"""Distils any timm or torchvision classifier from a cache of decant's, and writes it as ONNX for `decant evaluate --model`.

    python -m decant.examples.pytorch_student CACHE IMAGES --model resnet18 --out student

IMAGES is the folder that is dataset.source in the pipeline file. Needs torch, timm or torchvision, onnx and onnxscript.
"""

import argparse

import torch
from torch.utils.data import DataLoader

from decant import Cache, CachedDataset, losses
from decant.export import save_onnx


def build(name: str, classes: int, pretrained: bool) -> torch.nn.Module:
    try:
        import timm
        return timm.create_model(name, pretrained=pretrained, num_classes=classes)
    except (ImportError, RuntimeError):
        import torchvision
        return torchvision.models.get_model(name, weights=None, num_classes=classes)


def main(args: argparse.Namespace) -> None:
    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    cache = Cache(args.cache)
    temperature = args.temperature if args.loss == "kd" else None
    train = CachedDataset(cache, "train", args.images, args.size, temperature, seed=args.seed)
    validation = CachedDataset(cache, "validation", args.images, args.size, temperature, check=False)
    loader = DataLoader(train, args.batch_size, sampler=train.sampler, num_workers=args.workers)
    student = build(args.model, len(cache.classes), args.pretrained).to(device)
    optimizer = torch.optim.AdamW(student.parameters(), args.lr, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.lr, args.epochs * len(loader))
    for epoch in range(args.epochs):
        train.set_epoch(epoch)
        student.train()
        for batch in loader:
            batch = {name: values.to(device) for name, values in batch.items()}
            loss = losses.distillation(student(batch["pixel_values"]), batch, args.loss, args.temperature, args.weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step(), schedule.step()
        student.eval()
        with torch.no_grad():
            right = sum((student(b["pixel_values"].to(device)).argmax(1).cpu() == b["labels"]).sum().item() for b in DataLoader(validation, 64))
        print(f"epoch {epoch + 1}/{args.epochs}  loss {loss.item():.3f}  validation accuracy {right / len(validation):.3f}", flush=True)
    save_onnx(student.cpu(), args.out, cache.classes, args.size)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache"), parser.add_argument("images"), parser.add_argument("--pretrained", action="store_true")
    for name, default in {"model": "resnet18", "out": "student", "loss": "kd", "temperature": 5.0, "weight": 0.5, "epochs": 30,
                          "batch-size": 32, "lr": 1e-3, "size": 224, "seed": 0, "workers": 2}.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"[default: {default}]")
    main(parser.parse_args())
