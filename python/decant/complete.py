"""`complete.json` and the shards' records (cache/README.md, "Records", "complete.json")."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from .errors import Mismatch
from .manifest import Manifest, Shard
from .sealed import FieldHasher, Fields, contradiction, digest, integer, list_of, number, parse, read_bytes, text


@dataclass(frozen=True)
class Record:
    """What a finished shard is."""

    rows: int
    bytes: int
    blake3: str
    rows_blake3: str
    footer_blake3: str
    temperatures: tuple[float, ...]


@dataclass(frozen=True)
class Complete:
    """What a whole cache is; `teacher_quality` has accuracy, nll (nats) and ece of each split."""

    content: str
    temperatures: tuple[float, ...]
    teacher_quality: dict[str, dict[str, float]]
    records: tuple[Record, ...]


def read_complete(folder: Path, manifest: Manifest, manifest_bytes: bytes) -> Complete:
    path = folder / "complete.json"
    data = read_bytes(path)
    shards = manifest.shards()
    if data is None:
        done = sum((folder / shard.path).is_file() and (folder / shard.record_path).is_file() for shard in shards)
        raise Mismatch(f"{folder} is not complete: {done} of {len(shards)} shards are done; finish it with `decant teacher-cache`")
    fields = Fields(path, parse(path, data))
    key = fields.take("key", digest)
    if key != manifest.key:
        raise contradiction(path, "key", manifest.key, key)
    found, expected = fields.take("manifest_blake3", digest), blake3(manifest_bytes).hexdigest()
    if found != expected:
        raise contradiction(path, "manifest_blake3", expected, found)
    content = fields.take("content", digest)
    temperatures = fields.take("temperatures", _temperatures)
    quality = _quality(path, fields.take("teacher_quality", list_of(lambda one: one)), manifest)
    records = fields.take("shards", list_of(lambda one: one))
    fields.end()
    if len(records) != len(shards):
        raise contradiction(path, "number of shards", len(shards), len(records))
    records = tuple(_record(path, one, manifest, shard) for one, shard in zip(records, shards))
    hasher = FieldHasher("decant cache content")
    hasher.field("key", bytes.fromhex(manifest.key))
    for record in records:
        hasher.field("rows", bytes.fromhex(record.rows_blake3))
    if hasher.finish() != content:
        raise contradiction(path, "content", hasher.finish(), content)
    return Complete(content, temperatures, quality, records)


def read_record(folder: Path, manifest: Manifest, shard: Shard) -> Record | None:
    """The record beside a shard."""
    path = folder / shard.record_path
    data = read_bytes(path)
    return None if data is None else _record(path, parse(path, data), manifest, shard)


def _temperatures(value: Any) -> tuple[float, ...]:
    numbers = [float(np.float32(one)) for one in list_of(number)(value)]
    if any(not 0 < one < float("inf") for one in numbers):
        raise TypeError(f"{value!r}, expected finite numbers above 0")
    if any(a >= b for a, b in zip(numbers, numbers[1:])):
        raise TypeError(f"{value!r}, expected them ascending without repetition")
    return tuple(numbers)


def _record(path: Path, value: Any, manifest: Manifest, shard: Shard) -> Record:
    fields = Fields(path, value, "shards." if path.name == "complete.json" else "")
    own = {
        "key": (manifest.key, fields.take("key", digest)),
        "shard": (f"{shard.split}/{shard.index}", f"{fields.take('split', text)}/{fields.take('index', integer(32))}"),
        "rows": (shard.rows, fields.take("rows", integer(64))),
    }
    record = Record(
        shard.rows,
        fields.take("bytes", integer(64)),
        fields.take("blake3", digest),
        fields.take("rows_blake3", digest),
        fields.take("footer_blake3", digest),
        fields.take("temperatures", _temperatures),
    )
    for one in fields.take("lost", list_of(lambda one: one), []):
        lost = Fields(path, one, "lost.")
        for name in ("temperature", "kl_sum", "kl_largest"):
            lost.take(name, number)
        for name in ("kept_sum", "kept_least"):
            lost.take(name, number, None)
        lost.end()
    fields.end()
    for field, (expected, found) in own.items():
        if expected != found:
            raise contradiction(path, f"{field} of {shard.path}", expected, found)
    return record


def _quality(path: Path, values: list, manifest: Manifest) -> dict[str, dict[str, float]]:
    if len(values) != len(manifest.samples):
        raise contradiction(path, "teacher_quality", f"{len(manifest.samples)} splits", len(values))
    quality = {}
    for value, (split, samples) in zip(values, manifest.samples.items()):
        fields = Fields(path, value, "teacher_quality.")
        name, labelled = fields.take("split", text), fields.take("labelled", integer(64))
        numbers = {name: fields.take(name, number) for name in ("accuracy", "nll", "ece")}
        fields.end()
        if name != split:
            raise contradiction(path, f"teacher_quality.split of {split}", split, name)
        if labelled > samples:
            raise contradiction(path, f"teacher_quality.labelled of {split}", f"at most {samples}", labelled)
        for field, most in (("accuracy", 1.0), ("nll", float("inf")), ("ece", 1.0)):
            if not 0 <= numbers[field] <= most:
                raise contradiction(path, f"teacher_quality.{field} of {split}", f"from 0 to {most}", numbers[field])
        quality[split] = {"labelled": labelled, **{field: float(number) for field, number in numbers.items()}}
    return quality
