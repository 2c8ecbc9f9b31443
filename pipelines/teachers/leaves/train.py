"""Train the embedded teacher: a small ViT that tells bean leaves with angular leaf spot, rust and neither apart.

    python pipelines/teachers/leaves/train.py --decant target/release/decant

The images and their lesion masks are what `decant data synth` draws, from another seed than any experiment's. Two
things make a ViT learn this in minutes on two cores:

- every patch is told which disease covers it (the masks know), beside the class that the whole image is told; the
  patch head is dropped before export;
- most of the training sees a third of the patches, all the ill ones among them if they fit, and only the last
  epoch sees them all, at three times the cost.

What comes out is an ordinary `ViTForImageClassification` in the layout of `optimum`: `model.onnx`, `config.json`,
`preprocessor_config.json`.
"""

import argparse
import json
import math
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image
from torch.nn.functional import cross_entropy
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

CLASSES = ["angular_leaf_spot", "bean_rust", "healthy"]
SIZE, PATCH = 224, 16
GRID = SIZE // PATCH
PATCHES = GRID * GRID
MASK_CELL = 4  # pixels of the network's input to a cell of the stored mask
TRAIN_SEED = 1000
HERE = Path(__file__).resolve().parent

# What a patch is told: 0 sound, 1 angular leaf spot, 2 rust. Between the two shares it is told nothing.
SOUND_BELOW, ILL_ABOVE, IGNORED = 0.002, 0.015, -100


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    np.random.seed(arguments.seed)

    draw_images(arguments)
    train = prepare(arguments.work, "train", arguments.threads)
    test = prepare(arguments.work, "test", arguments.threads)
    demo = prepare(arguments.work, "demo", arguments.threads)
    model = build_model()
    print(f"{sum(p.numel() for p in model.parameters()) / 1e6:.2f} million parameters, {len(train['labels'])} images")

    started = time.time()
    fit(model, train, test, arguments)
    minutes = (time.time() - started) / 60

    numbers = export(model, arguments.out, test, demo)
    numbers["training_minutes"] = round(minutes, 1)
    numbers["training_images"] = len(train["labels"])
    numbers["images_per_second"] = {threads: throughput(arguments.out / "model.onnx", threads) for threads in (1, 2)}
    print(json.dumps(numbers, indent=2))
    write_numbers(arguments.out / "README.md", numbers)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train the embedded leaves teacher and export it to ONNX.")
    parser.add_argument("--decant", type=Path, default=Path("target/release/decant"), help="the decant binary")
    parser.add_argument("--work", type=Path, default=Path("target/leaves-teacher"), help="images and the last epoch")
    parser.add_argument("--out", type=Path, default=HERE, help="where the exported model goes")
    parser.add_argument("--images", type=int, default=12000, help="training images to draw")
    parser.add_argument("--test-images", type=int, default=999, help="fresh test images to draw")
    parser.add_argument("--part-epochs", type=int, default=10, help="epochs on a third of the patches")
    parser.add_argument("--full-epochs", type=int, default=1, help="epochs on all of them, after those")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


# Data


def draw_images(arguments: argparse.Namespace) -> None:
    """Lets decant draw each set once: training, a large fresh test, and the test split that experiments see."""
    sets = {
        "train": (TRAIN_SEED, {"train": arguments.images}),
        "test": (TRAIN_SEED + 1, {"test": arguments.test_images}),
        "demo": (0, {"test": 128}),
    }
    for name, (seed, sizes) in sets.items():
        folder = arguments.work / name
        if folder.exists() or (arguments.work / f"{name}.npz").exists():
            continue
        command = [arguments.decant, "data", "synth", "--out", folder, "--masks", arguments.work / f"{name}-masks"]
        command += ["--seed", str(seed)]
        for split in ("train", "validation", "test"):
            command += [f"--{split}", str(sizes.get(split, 0))]
        subprocess.run(command, check=True)


def prepare(work: Path, name: str, threads: int) -> dict[str, np.ndarray]:
    """The images as the network sees them, 8 bits a channel, with the masks at a quarter of that size."""
    stored = work / f"{name}.npz"
    if not stored.exists():
        paths = sorted((work / name).glob("*/*/*.jpg"))
        masks = [work / f"{name}-masks" / path.relative_to(work / name).with_suffix(".png") for path in paths]
        with ProcessPoolExecutor(threads) as pool:
            pairs = list(pool.map(load, paths, masks, chunksize=64))
        labels = [CLASSES.index(path.parent.name) for path in paths]
        images = np.stack([image for image, _ in pairs])
        np.savez(stored, images=images, masks=np.stack([mask for _, mask in pairs]), labels=np.array(labels))
    return dict(np.load(stored))


def load(image: Path, mask: Path) -> tuple[np.ndarray, np.ndarray]:
    """Resized as `ViTImageProcessor` does it: Pillow's bilinear, which averages when it shrinks."""
    with Image.open(image) as opened:
        pixels = opened.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    with Image.open(mask) as opened:
        cells = opened.convert("L").resize((SIZE // MASK_CELL,) * 2, Image.Resampling.BOX)
    return np.asarray(pixels), np.asarray(cells)


def augment(images: torch.Tensor, masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Turns, mirrors and shifts by whole mask cells, each for a quarter of the batch; images are [n, 3, h, w]."""
    turned_images, turned_masks = [], []
    for part, mask in zip(images.chunk(4), masks.chunk(4)):
        turns, mirror = np.random.randint(4), np.random.randint(2)
        shift = np.random.randint(-3, 4, size=2)
        part = torch.rot90(part, turns, (2, 3)).roll(tuple(int(s) * MASK_CELL for s in shift), (2, 3))
        mask = torch.rot90(mask, turns, (1, 2)).roll(tuple(int(s) for s in shift), (1, 2))
        turned_images.append(part.flip(3) if mirror else part)
        turned_masks.append(mask.flip(2) if mirror else mask)
    return torch.cat(turned_images), torch.cat(turned_masks)


def jitter(patches: torch.Tensor) -> torch.Tensor:
    """Brightness, white balance and contrast of each image, a little; patches are normalised to -1 to 1."""
    count = patches.shape[0]
    gain = (1 + 0.12 * torch.randn(count, 1, 1, 1)) * (1 + 0.05 * torch.randn(count, 1, 3, 1))
    shift = 0.06 * torch.randn(count, 1, 1, 1)
    shape = patches.shape
    patches = patches.view(count, shape[1], 3, PATCH * PATCH)
    return ((patches + 1) * gain - 1 + shift).clamp(-1, 1).view(shape)


def to_patches(images: torch.Tensor) -> torch.Tensor:
    """[n, 3, 224, 224] to [n, 196, 768], each patch in the order of the projection's weights."""
    count = images.shape[0]
    tiles = images.view(count, 3, GRID, PATCH, GRID, PATCH).permute(0, 2, 4, 1, 3, 5)
    return tiles.reshape(count, PATCHES, 3 * PATCH * PATCH)


def patch_targets(masks: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """[n, 56, 56] lesion shares (0 to 255) and image classes to [n, 196] patch classes."""
    count, cells = masks.shape[0], PATCH // MASK_CELL
    share = masks.view(count, GRID, cells, GRID, cells).float().mean((2, 4)).view(count, PATCHES) / 255
    targets = torch.full((count, PATCHES), IGNORED)
    targets[share <= SOUND_BELOW] = 0
    ill = share >= ILL_ABOVE
    targets[ill] = (labels[:, None] + 1).expand(-1, PATCHES)[ill]
    return targets


# Model


def build_model() -> ViTForImageClassification:
    config = ViTConfig(
        image_size=SIZE,
        patch_size=PATCH,
        hidden_size=160,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=320,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        layer_norm_eps=1e-6,
        id2label=dict(enumerate(CLASSES)),
        label2id={name: index for index, name in enumerate(CLASSES)},
    )
    return ViTForImageClassification._from_config(config, attn_implementation="sdpa")


@torch.no_grad()
def whiten_projection(model: ViTForImageClassification, images: torch.Tensor) -> None:
    """Starts the patch projection at the principal components of patches, each scaled to the same spread.

    Neighbouring pixels are so alike that from a random start the network sees a patch's mean and little else for
    many epochs.
    """
    sample = images[torch.randperm(len(images))[:512]].permute(0, 3, 1, 2)
    patches = to_patches(sample).flatten(0, 1)
    patches = patches[torch.randperm(len(patches))[:50_000]].float() / 127.5 - 1
    mean = patches.mean(0)
    values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
    projection = model.vit.embeddings.patch_embeddings.projection
    kept = projection.weight.shape[0]
    values, vectors = values[-kept:], vectors[:, -kept:]
    weights = (vectors * 0.5 / (values + 0.3 * values.median()).sqrt()).T
    projection.weight.copy_(weights.reshape(projection.weight.shape))
    projection.bias.copy_(-weights @ mean)


def forward(model: ViTForImageClassification, patches: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
    """The model's last hidden states, [n, 1 + patches, hidden], on the patches whose positions `kept` [n, k] holds."""
    embeddings = model.vit.embeddings
    projection = embeddings.patch_embeddings.projection
    tokens = torch.nn.functional.linear(patches, projection.weight.flatten(1), projection.bias)
    positions = embeddings.position_embeddings
    places = positions[:, 1:].expand(len(patches), -1, -1)
    if kept is not None:
        places = places.gather(1, kept[..., None].expand(-1, -1, places.shape[2]))
    start = (embeddings.cls_token + positions[:, :1]).expand(len(patches), -1, -1)
    hidden = torch.cat([start, tokens + places], dim=1)
    for layer in model.vit.layers:
        hidden = layer(hidden)
    return model.vit.layernorm(hidden)


# Training


def fit(model: ViTForImageClassification, train: dict, test: dict, arguments: argparse.Namespace) -> None:
    images = torch.from_numpy(train["images"])
    masks, labels = torch.from_numpy(train["masks"]), torch.from_numpy(train["labels"])
    whiten_projection(model, images)
    patch_head = torch.nn.Linear(model.config.hidden_size, 1 + 2)
    # Muon for the matrices inside the transformer, AdamW for what goes in, comes out or is not a matrix.
    inner = [p for p in model.vit.layers.parameters() if p.ndim == 2]
    others = [p for p in [*model.parameters(), *patch_head.parameters()] if not any(p is other for other in inner)]
    parameters = [*inner, *others]
    optimizers = [
        torch.optim.Muon(inner, lr=arguments.learning_rate, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=arguments.learning_rate, weight_decay=0.0, betas=(0.9, 0.98)),
    ]
    epochs = arguments.part_epochs + arguments.full_epochs
    steps_an_epoch = len(labels) // arguments.batch_size
    warmup, total = steps_an_epoch // 2, epochs * steps_an_epoch
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: min((step + 1) / warmup, 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / total))),
        )
        for optimizer in optimizers
    ]
    parts = [model, patch_head, *optimizers, *schedules]
    checkpoint, first = arguments.work / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        first = state["epochs"]
        for part, stored in zip(parts, state["parts"]):
            part.load_state_dict(stored)
        print(f"going on after epoch {first} of {checkpoint}")
    for epoch in range(first, epochs):
        whole = epoch >= arguments.part_epochs
        model.train()
        started, sums = time.time(), np.zeros(3)
        for chosen in torch.randperm(len(labels))[: steps_an_epoch * arguments.batch_size].split(arguments.batch_size):
            batch, mask = augment(images[chosen].permute(0, 3, 1, 2), masks[chosen])
            target = labels[chosen]
            dense = patch_targets(mask, target)
            patches, kept = to_patches(batch), None
            if not whole:
                kept = (torch.rand(dense.shape) + (dense > 0) * 0.75).topk(PATCHES // 3, dim=1).indices
                dense = dense.gather(1, kept)
                patches = patches.gather(1, kept[..., None].expand(-1, -1, patches.shape[2]))
            patches = jitter(patches.float() / 127.5 - 1)
            hidden = forward(model, patches, kept)
            logits, patch_logits = model.classifier(hidden[:, 0]), patch_head(hidden[:, 1:])
            image_loss = cross_entropy(logits, target, label_smoothing=0.03)
            patch_loss = cross_entropy(patch_logits.flatten(0, 1), dense.flatten(), ignore_index=IGNORED)
            (image_loss + 2.0 * patch_loss).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            for optimizer, schedule in zip(optimizers, schedules):
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
            right = (logits.argmax(1) == target).float().mean().item()
            sums += [image_loss.item(), patch_loss.item(), right]
        seconds = time.time() - started
        image_loss, patch_loss, right = sums / steps_an_epoch
        print(
            f"epoch {epoch + 1:2}/{epochs} {'all ' if whole else 'part'} loss {image_loss:.3f} "
            f"patches {patch_loss:.3f} train {right:.3f} test {accuracy(predict(model, test), test):.4f} "
            f"{seconds:.0f} s",
            flush=True,
        )
        torch.save({"epochs": epoch + 1, "parts": [part.state_dict() for part in parts]}, checkpoint)


@torch.no_grad()
def predict(model: ViTForImageClassification, data: dict) -> np.ndarray:
    """Logits [n, classes] of unchanged images."""
    model.eval()
    return np.concatenate(
        [
            model(torch.from_numpy(normalise(data["images"][start : start + 64]))).logits.numpy()
            for start in range(0, len(data["labels"]), 64)
        ]
    )


def normalise(images: np.ndarray) -> np.ndarray:
    """[n, 224, 224, 3] bytes to [n, 3, 224, 224] floats: times 1/255, minus 0.5, over 0.5."""
    return np.ascontiguousarray(((images.astype(np.float32) / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2))


def accuracy(logits: np.ndarray, data: dict) -> float:
    return float((logits.argmax(1) == data["labels"]).mean())


# Export


def export(model: ViTForImageClassification, out: Path, test: dict, demo: dict) -> dict:
    """Writes the model, and checks with ONNX Runtime that it is the one that was trained."""
    model.eval()
    model.set_attn_implementation("eager")
    out.mkdir(parents=True, exist_ok=True)
    path = out / "model.onnx"

    class LogitsOnly(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = model

        def forward(self, pixel_values):
            return self.inner(pixel_values=pixel_values).logits

    torch.onnx.export(
        LogitsOnly(),
        (torch.zeros(2, 3, SIZE, SIZE),),
        str(path),
        input_names=["pixel_values"],
        output_names=["logits"],
        dynamic_axes={"pixel_values": {0: "batch"}, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    model.config.architectures = ["ViTForImageClassification"]
    model.config.save_pretrained(out)
    ViTImageProcessor(size={"height": SIZE, "width": SIZE}, resample=2).save_pretrained(out)

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    numbers = {"bytes": path.stat().st_size}
    for name, data in (("test", test), ("demo", demo)):
        logits = np.concatenate(
            [
                session.run(["logits"], {"pixel_values": normalise(data["images"][start : start + 16])})[0]
                for start in range(0, len(data["labels"]), 16)
            ]
        )
        difference = float(np.abs(logits - predict(model, data)).max())
        if difference > 1e-4:
            raise SystemExit(f"{path}: logits differ from torch's by {difference:.2e} on {name}, more than 1e-4")
        numbers[f"{name}_images"] = len(data["labels"])
        numbers[f"{name}_accuracy"] = accuracy(logits, data)
        numbers[f"{name}_largest_difference_from_torch"] = difference
        predicted = logits.argmax(1)
        numbers[f"{name}_confusion"] = [
            [int(((data["labels"] == truth) & (predicted == guess)).sum()) for guess in range(len(CLASSES))]
            for truth in range(len(CLASSES))
        ]
    return numbers


def throughput(path: Path, threads: int) -> float:
    """Images a second at batch 16, the best of five runs of eight batches."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    batch = {"pixel_values": np.random.default_rng(0).normal(size=(16, 3, SIZE, SIZE)).astype(np.float32)}
    session.run(None, batch)
    best = math.inf
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(8):
            session.run(None, batch)
        best = min(best, time.perf_counter() - started)
    return round(8 * 16 / best, 1)


def write_numbers(readme: Path, numbers: dict) -> None:
    """Puts the numbers between the two comments of the README, where there is one."""
    if not readme.exists():
        return
    speed = numbers["images_per_second"]
    fresh = f"accuracy, {numbers['test_images']} fresh images (seed {TRAIN_SEED + 1}, test)"
    rows = [
        ("size", f"{numbers['bytes'] / 1e6:.1f} MB"),
        (fresh, f"{numbers['test_accuracy']:.1%}"),
        (f"accuracy, {numbers['demo_images']} images of seed 0, test", f"{numbers['demo_accuracy']:.1%}"),
        ("largest difference of a logit from PyTorch's", f"{numbers['test_largest_difference_from_torch']:.0e}"),
        ("training", f"{numbers['training_images']} images, {numbers['training_minutes']} minutes"),
        ("ONNX Runtime, batch 16, one / two threads", f"{speed[1]:.0f} / {speed[2]:.0f} images/s"),
    ]
    table = ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows), ""]
    table += ["Confusion on the fresh images (rows are the truth):", ""]
    table += ["| | " + " | ".join(CLASSES) + " |", "| --- | --- | --- | --- |"]
    for name, row in zip(CLASSES, numbers["test_confusion"]):
        table.append(f"| {name} | " + " | ".join(map(str, row)) + " |")
    opening, closing = "<!-- numbers: written by train.py -->\n", "<!-- end of numbers -->"
    before, rest = readme.read_text().split(opening)
    after = rest.split(closing)[1]
    readme.write_text(before + opening + "\n".join(table) + "\n" + closing + after)


if __name__ == "__main__":
    main()
