"""`manifest.json`: what a cache is (cache/README.md, "manifest.json")."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np

from .errors import Mismatch
from .sealed import (
    FieldHasher, Fields, Number, boolean, contradiction, damaged, digest, integer, integer_up_to, list_of, number, parse, read_bytes,
    text,
)

FORMAT = 2
FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
PROVIDERS = ("cpu", "cuda", "tensorrt", "directml", "coreml", "rocm", "migraphx", "openvino")
RECORDS_FOLDER = "_records"
_NAME = re.compile(r"(?!\.)[A-Za-z0-9._-]{1,100}", re.ASCII)
_MOST_CLASSES, _MOST_ROWS, _MOST_SHARDS, _MOST_COLUMN = 1 << 20, 1 << 40, 1 << 20, 1 << 30


@dataclass(frozen=True)
class Resize:
    """How an image, or the part of it that a view shows, gets the teacher's size."""

    exact: tuple[int, int] | None  # height, width
    shortest_edge: int | None
    filter: str | None
    center_crop: tuple[int, int] | None  # height, width
    center_crop_rounds: bool


@dataclass(frozen=True)
class Shard:
    """A contiguous range of the rows of one split, and the file that holds it."""

    split: str
    index: int
    first_row: int
    rows: int
    views: int

    @property
    def path(self) -> str:
        return f"{self.split}/part-{self.index:05}.parquet"

    @property
    def record_path(self) -> str:
        return f"{RECORDS_FOLDER}/{self.split}/part-{self.index:05}.json"


@dataclass(frozen=True)
class Manifest:
    """What a cache is; `classes` are in label order, `samples` gives each split's number of samples."""

    name: str
    key: str
    dataset: str
    dataset_fingerprint: str
    classes: tuple[str, ...]
    samples: dict[str, int]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]  # BLAKE3 of images on which the teacher fails
    teacher: str
    teacher_fingerprint: str
    provider: str
    precision: str
    runtime: str
    batch_size: int
    train_views: int
    resize: Resize
    crops: dict[str, Any] | None
    operations: int  # of each view, after crop, resizing and flip
    kept: int | None  # of top-k; None where every class is stored
    element: str  # of logits: "float32" or "float16"
    zstd: int
    shard_rows: int
    writer: str

    def views(self, split: str) -> int:
        return self.train_views if split == "train" else 1

    def rows(self, split: str) -> int:
        return self.samples[split] * self.views(split)

    @property
    def storage(self) -> str:
        encoding = f"top-{self.kept}" if self.kept else self.element
        return f"{encoding}, zstd {self.zstd}" if self.zstd else encoding

    def shards(self) -> list[Shard]:
        """Every shard, split by split, in row order."""
        step, shards = self.shard_rows, []
        for split in self.samples:
            rows = self.rows(split)
            for index in range(-(-rows // step)):
                first = index * step
                shards.append(Shard(split, index, first, min(step, rows - first), self.views(split)))
        return shards


def read_manifest(folder: Path) -> tuple[Manifest, bytes]:
    """The manifest of the cache in `folder`, and its file's bytes."""
    path = folder / "manifest.json"
    no_cache = Mismatch(f"{folder} holds no cache (no manifest.json); make one with `decant teacher-cache`")
    if folder.is_file():
        raise no_cache
    data = read_bytes(path)
    if data is None:
        raise no_cache
    value = parse(path, data)
    version = value.get("format")
    if type(version) is not int or version < 0:
        raise damaged(path, f"field `format` is {version!r}, expected an integer")
    if version == 1:
        raise Mismatch(
            f"{folder} has format 1, which decant 0.1.0 wrote; run `decant cache upgrade {folder}` once, which needs no teacher"
        )
    if version != FORMAT:
        raise Mismatch(f"{path} has format {version}, this version reads format {FORMAT}; use the version of decant that wrote it")
    manifest = _manifest(path, value)
    _check(path, manifest)
    key = _key(value, manifest)
    if key != manifest.key:
        raise contradiction(path, "key", key, manifest.key)
    return manifest, data


def _manifest(path: Path, value: dict) -> Manifest:
    top = Fields(path, value)
    top.take("format", integer(32))
    dataset, teacher, view = top.inner("dataset"), top.inner("teacher"), top.inner("view")
    splits = []
    for one in dataset.take("splits", list_of(lambda one: one)):
        split = Fields(path, one, "dataset.splits.")
        splits.append((split.take("name", text), split.take("samples", integer(64))))
        split.end()
    repeated = next((name for at, (name, _) in enumerate(splits) if name in dict(splits[:at])), None)
    if repeated is not None:
        raise contradiction(path, "dataset.splits", "without repetition", f'"{repeated}" twice')
    crops = view.inner("crops") if "crops" in view.left else None
    operations = view.inner("operations") if "operations" in view.left else None
    element, kept = top.take("encoding", _encoding)
    manifest = Manifest(
        name=top.take("name", text),
        key=top.take("key", digest),
        dataset=dataset.take("name", text),
        dataset_fingerprint=dataset.take("fingerprint", digest),
        classes=tuple(dataset.take("classes", list_of(text))),
        samples=dict(splits),
        notes=tuple(dataset.take("notes", list_of(text))),
        left_out=tuple(dataset.take("left_out", list_of(digest), [])),
        teacher=teacher.take("name", text),
        teacher_fingerprint=teacher.take("fingerprint", digest),
        provider=teacher.take("provider", one_of(PROVIDERS)),
        precision=teacher.take("precision", text),
        runtime=teacher.take("runtime", text),
        batch_size=teacher.take("batch_size", integer(32)),
        train_views=view.take("views", integer(16)),
        resize=_resize(view.inner("resize")),
        crops=_crops(crops) if crops else None,
        operations=_operations(operations) if operations else 0,
        element=element,
        kept=kept,
        zstd=top.take("zstd", integer(8), 0),
        shard_rows=top.take("shard_rows", integer(32)),
        writer=top.take("writer", text),
    )
    for fields in (dataset, teacher, view, top):
        fields.end()
    return manifest


def one_of(names: tuple[str, ...]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in names or type(value) is not str:
            raise TypeError(f"{value!r}, expected one of {', '.join(names)}")
        return value

    return check


def _encoding(value: Any) -> tuple[str, int | None]:
    if value in ("float32", "float16") and type(value) is str:
        return value, None
    if type(value) is dict and list(value) == ["top-k"]:
        return "float32", integer(32)(value["top-k"])
    raise TypeError(f'{value!r}, expected "float32", "float16" or {{"top-k": k}}')


def _resize(fields: Fields) -> Resize:
    def size(value: Any) -> tuple[tuple[int, int] | None, int | None]:
        if type(value) is dict and list(value) == ["shortest-edge"]:
            return None, integer(32)(value["shortest-edge"])
        if type(value) is dict and list(value) == ["exact"] and type(value["exact"]) is dict:
            exact = value["exact"]
            if sorted(exact) == ["height", "width"]:
                return (integer(32)(exact["height"]), integer(32)(exact["width"])), None
        raise TypeError(f"{value!r}, expected exact or shortest-edge")

    exact, shortest_edge = fields.take("size", size, (None, None))
    crop = fields.take("center-crop", list_of(integer(32), 2), None)
    resize = Resize(
        exact,
        shortest_edge,
        fields.take("filter", one_of(FILTERS), None),
        tuple(crop) if crop else None,
        fields.take("center-crop-rounds", boolean, False),
    )
    fields.end()
    return resize


def _crops(fields: Fields) -> dict[str, Any]:
    pair = list_of(number, 2)
    crops = {
        "seed": fields.take("seed", integer(64)),
        "scale": fields.take("scale", pair),
        "ratio": fields.take("ratio", pair),
        "flip": fields.take("flip", number),
    }
    fields.end()
    return crops


def _operations(fields: Fields) -> int:
    """How many operations a view has."""
    count = 0
    if "color-jitter" in fields.left:
        jitter = fields.inner("color-jitter")
        for name in ("brightness", "contrast", "saturation", "hue"):
            count += jitter.take(name, number) > 0
        jitter.end()
    if "rand-augment" in fields.left:
        augment = fields.inner("rand-augment")
        count += augment.take("count", integer_up_to(8))
        augment.take("magnitude", integer_up_to(30))
        augment.end()
    fields.end()
    return count


def _check(path: Path, manifest: Manifest) -> None:
    def require(holds: bool, field: str, expected: str, found: Any) -> None:
        if not holds:
            raise contradiction(path, field, expected, found)

    names = "at most 100 letters, digits, '-', '_' and '.', the first no '.'"
    require(bool(_NAME.fullmatch(manifest.name)), "name", names, repr(manifest.name))
    count = len(manifest.classes)
    require(2 <= count <= _MOST_CLASSES, "dataset.classes", f"2 to {_MOST_CLASSES} names", count)
    require(len(set(manifest.classes)) == count, "dataset.classes", "without repetition", "one twice")
    if manifest.kept is not None:
        require(1 <= manifest.kept < count, "encoding.top-k", f"1 to {count - 1}, one less than there are classes", manifest.kept)
    require(manifest.zstd <= 22, "zstd", "0 (none) to 22", manifest.zstd)
    require(manifest.train_views > 0, "view.views", "at least 1", manifest.train_views)
    most = _MOST_COLUMN // (max(count, 2 * manifest.operations, 4) * 4)
    require(1 <= manifest.shard_rows <= most, "shard_rows", f"1 to {most}", manifest.shard_rows)
    splits = len(manifest.samples)
    require(1 <= splits <= 100, "dataset.splits", "1 to 100 splits", splits)
    most, shards = _MOST_ROWS // manifest.train_views, 0
    for name, samples in manifest.samples.items():
        require(bool(_NAME.fullmatch(name)), "dataset.splits", names, repr(name))
        require(name != RECORDS_FOLDER, "dataset.splits", f"not {RECORDS_FOLDER}, the folder of the records", name)
        require(samples <= most, "dataset.splits", f"at most {most} samples", samples)
        shards += -(-manifest.rows(name) // manifest.shard_rows)
    expected = f"large enough for {_MOST_SHARDS} shards to hold every row"
    require(shards <= _MOST_SHARDS, "shard_rows", expected, manifest.shard_rows)


def _key(value: dict, manifest: Manifest) -> str:
    hasher = FieldHasher("decant cache key")
    hasher.field("format", FORMAT.to_bytes(4, "little"))
    hasher.field("dataset.fingerprint", bytes.fromhex(manifest.dataset_fingerprint))
    for name in manifest.classes:
        hasher.field("dataset.class", name)
    for name, samples in manifest.samples.items():
        hasher.field("dataset.split", name)
        hasher.field("dataset.samples", samples.to_bytes(8, "little"))
    hasher.field("teacher.fingerprint", bytes.fromhex(manifest.teacher_fingerprint))
    hasher.field("view", _compact(_ordered(value["view"])))
    hasher.field("encoding", "top-k" if manifest.kept else manifest.element)
    if manifest.kept:
        hasher.field("encoding.top-k", manifest.kept.to_bytes(4, "little"))
    if manifest.zstd:
        hasher.field("zstd", bytes([manifest.zstd]))
    hasher.field("shard_rows", manifest.shard_rows.to_bytes(4, "little"))
    return hasher.finish()


_ORDER = ["views", "resize", "crops", "operations", "size", "filter", "center-crop", "center-crop-rounds", "exact", "shortest-edge",
          "height", "width", "seed", "scale", "ratio", "flip", "color-jitter", "rand-augment", "brightness", "contrast",
          "saturation", "hue", "count", "magnitude"]  # fmt: skip


def _ordered(value: Any) -> Any:
    """The view's fields in the order in which they are written, without what is written only where it differs from nothing."""
    if type(value) is not dict:
        return value
    kept = {name: _ordered(one) for name, one in value.items() if one is not None and one is not False}
    return dict(sorted(kept.items(), key=lambda field: _ORDER.index(field[0])))


def _compact(value: Any) -> str:
    """JSON without spaces, whose floats are written as they were read."""
    if isinstance(value, Number):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_compact(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_compact, value)) + "]"
    return json.dumps(value)


def decimal(temperature: float) -> str:
    """The shortest decimal that reads back as the same float32."""
    return np.format_float_positional(np.float32(temperature), trim="-")


def temperature_column(prefix: str, temperature: float) -> str:
    """`soft_t5`, `soft_t2p5`, `rest_t1`."""
    return f"{prefix}_t{decimal(temperature)}".replace(".", "p")
