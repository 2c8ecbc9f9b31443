"""One shard: a parquet file, mapped (cache/README.md, "Shards")."""

import base64
import json
import mmap
import os
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from blake3 import blake3

from . import page
from .complete import Record, read_record
from .errors import Damage
from .manifest import FORMAT, Manifest, Shard, decimal, temperature_column
from .operations import NUMBERS, are_sound
from .sealed import FieldHasher
from .soften import exponentials, soften, sum_in_order
from .thrift import struct

_AGAIN = "delete it and run `decant teacher-cache` again"
# Numbers of parquet.thrift.
_REQUIRED, _REPEATED = 0, 2
_CONVERTED_LIST = 3
_UNCOMPRESSED, _ZSTD = 0, 6


@dataclass(frozen=True)
class Kind:
    """What a column holds: numbers of `dtype`, `width` of them in a row; `width` is 0 where they are no list."""

    type: int
    dtype: np.dtype
    width: int
    arrow: pa.DataType
    converted: int | None = None
    logical: dict | None = None

    @property
    def values(self) -> int:
        return max(self.width, 1)


def _list(element: pa.DataType, width: int) -> pa.DataType:
    return pa.list_(pa.field("element", element, nullable=False), width)


def columns(manifest: Manifest, temperatures: tuple[float, ...]) -> dict[str, Kind]:
    """Every column of a shard, in order."""
    boolean, int32, int64, float32, byte_array, fixed = 0, 1, 2, 4, 6, 7
    kinds = {
        "sample": Kind(int64, np.dtype("<u8"), 0, pa.uint64(), 14, {10: {1: 64, 2: False}}),
        "path": Kind(byte_array, np.dtype(object), 0, pa.string(), 0, {1: {}}),
        "image_hash": Kind(fixed, np.dtype("V16"), 0, pa.binary(16)),
        "label": Kind(int32, np.dtype("<i4"), 0, pa.int32()),
        "view": Kind(int32, np.dtype("<u4"), 0, pa.uint16(), 12, {10: {1: 16, 2: False}}),
        "crop": Kind(float32, np.dtype("<f4"), 4, _list(pa.float32(), 4)),
        "flip": Kind(boolean, np.dtype(bool), 0, pa.bool_()),
        "input_hash": Kind(fixed, np.dtype("V8"), 0, pa.binary(8)),
    }
    if manifest.operations:
        width = NUMBERS * manifest.operations
        kinds["operations"] = Kind(float32, np.dtype("<f4"), width, _list(pa.float32(), width))
    if manifest.kept:
        kinds["top_classes"] = Kind(int32, np.dtype("<i4"), manifest.kept, _list(pa.int32(), manifest.kept))
        kinds["top_logits"] = Kind(float32, np.dtype("<f4"), manifest.kept, _list(pa.float32(), manifest.kept))
        for temperature in temperatures:
            kinds[temperature_column("rest", temperature)] = Kind(float32, np.dtype("<f4"), 0, pa.float32())
        return kinds
    width = len(manifest.classes)
    if manifest.element == "float16":
        kind = Kind(fixed, np.dtype("<f2"), width, _list(pa.float16(), width), logical={15: {}})
    else:
        kind = Kind(float32, np.dtype("<f4"), width, _list(pa.float32(), width))
    kinds["logits"] = kind
    kinds.update((temperature_column("soft", temperature), kind) for temperature in temperatures)
    return kinds


def _schema(kinds: dict[str, Kind]) -> list[tuple[str, list[dict]]]:
    """The schema's elements of each column, as parquet.thrift numbers their fields."""
    schema = []
    for name, kind in kinds.items():
        leaf: dict[int, Any] = {1: kind.type, 2: kind.dtype.itemsize if kind.type == 7 else None, 3: _REQUIRED, 4: name, 6: kind.converted, 10: kind.logical}
        elements = [leaf]
        if kind.width:
            group: dict[int, Any] = {3: _REQUIRED, 4: name, 5: 1, 6: _CONVERTED_LIST, 10: {3: {}}}
            elements = [group, {3: _REPEATED, 4: "list", 5: 1}, leaf | {4: "element"}]
        elements = [{field: value for field, value in one.items() if value is not None} for one in elements]
        schema.append((name, [one | {4: one[4].encode()} for one in elements]))
    return schema


@lru_cache(maxsize=64)
def _arrow_schema(encoded: bytes) -> pa.Schema:
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(encoded, validate=True)))


class ShardFile:
    """An open shard: its length, footer, columns and key-value metadata were checked; `values` maps its columns."""

    def __init__(self, folder: Path, root: Path, manifest: Manifest, shard: Shard, record: Record):
        self.path = _inside(folder, root, shard.path)
        self.shard, self.manifest = shard, manifest
        with self.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != record.bytes:
                beside = read_record(folder, manifest, shard)
                # Temperatures were added to the same rows since.
                if beside and beside.rows_blake3 == record.rows_blake3:
                    record = beside
            if size != record.bytes:
                raise Damage(f"{self.path} has {size} bytes, {record.bytes} were recorded; {_AGAIN}")
            self.map = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b"")
        self.record = record
        self.columns = columns(manifest, record.temperatures)
        self._chunks = self._footer()
        self._values: dict[str, np.ndarray] = {}

    def layout(self, reason: str) -> Damage:
        return Damage(f"{self.path} is not laid out as a shard of this cache: {reason}; {_AGAIN}")

    def value(self, column: str, row: int, value: object, expected: str) -> Damage:
        return Damage(f"{self.path} has {column} {value} in row {row}, expected {expected}; {_AGAIN}")

    def content(self, part: str, expected: str, found: str) -> Damage:
        return Damage(f"{self.path} is damaged: BLAKE3 of its {part} is {found}, {expected} was recorded; {_AGAIN}")

    def _footer(self) -> dict[str, dict]:
        """The description of each column's chunk, once the footer is the one that belongs here."""
        end = bytes(self.map[-8:])
        start = len(self.map) - 8 - int.from_bytes(end[:4], "little")
        if len(end) < 8 or not end.endswith(b"PAR1") or start < 0:
            raise self.layout("it does not end in a parquet footer")
        found = blake3(self.map[start:]).hexdigest()
        if found != self.record.footer_blake3:
            raise self.content("footer", self.record.footer_blake3, found)
        try:
            footer, length = struct(self.map[start:-8])
            if length != len(self.map) - 8 - start:
                raise ValueError("bytes follow it")
            self._check_schema(footer[2])
            self._check_key_values({pair[1]: pair.get(2, b"") for pair in footer.get(5, [])})
            return self._described_chunks(footer)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise self.layout(f"its footer can't be read, {error}") from None

    def _check_schema(self, elements: list[dict]) -> None:
        # Decimals' fields and the identity of a field say nothing here.
        found = [{field: value for field, value in one.items() if field not in (7, 8, 9)} for one in elements]
        root, at = found[0], 1
        for name, expected in _schema(self.columns):
            if found[at : at + len(expected)] != expected:
                other = found[at].get(4, b"").decode(errors="replace") if at < len(found) else "no column"
                raise self.layout(f"column {name} was expected, {other} was found, or is stored otherwise")
            at += len(expected)
        if at != len(found) or root.get(5) != len(self.columns):
            raise self.layout(f"it has columns beside the {len(self.columns)} that were expected")

    def _described_chunks(self, footer: dict) -> dict[str, dict]:
        groups, rows = footer[4], footer[3]
        if len(groups) != 1:
            raise self.layout(f"it has {len(groups)} row groups, expected 1")
        chunks, group_rows = groups[0][1], groups[0][3]
        if (rows, group_rows, len(chunks)) != (self.shard.rows, self.shard.rows, len(self.columns)):
            raise self.layout(f"it has {group_rows} rows of {len(chunks)} columns, expected {self.shard.rows} rows")
        described = {}
        for (name, kind), chunk in zip(self.columns.items(), chunks):
            of_column = chunk[3]
            path = [name.encode(), b"list", b"element"] if kind.width else [name.encode()]
            is_here = not {1, 8, 9} & set(chunk) and type(chunk[2]) is int
            if not is_here or (of_column[1], of_column[3]) != (kind.type, path) or any(type(of_column[field]) is not int for field in (4, 5, 6, 7, 9)):
                raise self.layout(f"column {name} is described as another one")
            described[name] = of_column
        return described

    def _check_key_values(self, pairs: dict[bytes, bytes]) -> None:
        for key, expected in self._key_values().items():
            found = pairs.get(key.encode(), b"nothing")
            if found != expected.encode():
                raise self.layout(f"its {key} is {found.decode(errors='replace')}, expected {expected}")
        expected = pa.schema([pa.field(name, kind.arrow, nullable=False) for name, kind in self.columns.items()])
        try:
            found = _arrow_schema(pairs.get(b"ARROW:schema", b""))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self.layout(f"its ARROW:schema can't be read, {error}") from None
        if not found.equals(expected):
            raise self.layout("its ARROW:schema is not that of its columns")

    def _key_values(self) -> dict[str, str]:
        manifest, shard = self.manifest, self.shard
        return {
            "decant.format": str(FORMAT),
            "decant.key": manifest.key,
            "decant.split": shard.split,
            "decant.shard": str(shard.index),
            "decant.first_row": str(shard.first_row),
            "decant.views": str(shard.views),
            "decant.temperatures": " ".join(map(decimal, self.record.temperatures)),
            "decant.encoding": manifest.storage,
            "decant.dataset": manifest.dataset,
            "decant.dataset_fingerprint": manifest.dataset_fingerprint,
            "decant.classes": json.dumps(manifest.classes, ensure_ascii=False, separators=(",", ":")),
            "decant.teacher": manifest.teacher,
            "decant.teacher_fingerprint": manifest.teacher_fingerprint,
        }

    def page(self, name: str) -> memoryview:
        """The content of a column's only page: a part of the map, or what is decompressed from it."""
        kind, chunk = self.columns[name], self._chunks[name]
        count = self.shard.rows * kind.values

        def refuse(what: str) -> Damage:
            return self.layout(f"column {name} {what}")

        start, length = chunk[9], chunk[7]
        if chunk[4] != (_ZSTD if self.manifest.zstd else _UNCOMPRESSED):
            raise refuse("is compressed otherwise than the manifest says")
        if start < 0 or length < 0 or start + length > len(self.map) or 11 in chunk or chunk[5] != count:
            raise refuse("is not one plain page inside the file")
        data = self.map[start : start + length]
        try:
            header = page.header(data)
        except ValueError as error:
            raise refuse(f"has {error}") from None
        if header.values != count:
            raise refuse(f"has a page of {header.values} values")
        data = data[header.length :]
        if len(data) != header.compressed:
            raise refuse("has more than one page, or less")
        if not self.manifest.zstd:
            if header.uncompressed != header.compressed:
                raise refuse("has a page of another length than its header says")
            return data
        # No page of a sound shard is longer: its levels take less than its values.
        if header.uncompressed > 2 * count * max(kind.dtype.itemsize, 4) + (1 << 16) and name != "path":
            raise refuse("has a page that is too long")
        try:
            data = pa.decompress(data, decompressed_size=header.uncompressed, codec="zstd")
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise refuse(f"has an unreadable page, {error}") from None
        return memoryview(data).cast("B")

    def values(self, name: str) -> np.ndarray:
        """A column: `[rows]`, or `[rows, width]` of lists. It is a part of the map where the cache is not compressed."""
        if name not in self._values:
            self._values[name] = self.read_values(name)
        return self._values[name]

    def read_values(self, name: str) -> np.ndarray:
        kind, rows, data = self.columns[name], self.shard.rows, self.page(name)
        if name == "path":
            return self._texts(data)
        if name == "flip":
            if len(data) != -(-rows // 8):
                raise self.layout("column flip is not one bit a row")
            return np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[:rows].astype(bool)
        if kind.width:
            start = page.values_start(data, rows, kind.width)
            if start is None:
                raise self.layout(f"column {name} is not lists of {kind.width} numbers each, none of them null")
            data = data[start:]
        expected = rows * kind.values * kind.dtype.itemsize
        if len(data) != expected:
            raise self.layout(f"column {name} has {len(data)} bytes of values, expected {expected}")
        values = np.frombuffer(data, kind.dtype)
        values.flags.writeable = False
        return values.reshape(rows, kind.width) if kind.width else values

    def _texts(self, data: memoryview) -> np.ndarray:
        texts, at = np.empty(self.shard.rows, object), 0
        try:
            for row in range(self.shard.rows):
                end = at + 4 + int.from_bytes(data[at : at + 4], "little")
                if end > len(data):
                    raise ValueError
                texts[row], at = str(data[at + 4 : end], "utf-8"), end
            if at != len(data):
                raise ValueError
        except ValueError:
            raise self.layout(f"column path is not {self.shard.rows} texts in UTF-8") from None
        return texts

    @cached_property
    def identities(self) -> None:
        """Checks once that every row is the (sample, view) that belongs there, and that labels are classes."""
        for name in ("path", "image_hash", "crop", "flip", "input_hash"):
            self.values(name)
        if self.manifest.operations:
            self._each("operations", are_sound(self.values("operations")), "the codes and the amounts of operations")
        rows = np.arange(self.shard.first_row, self.shard.first_row + self.shard.rows, dtype=np.uint64)
        samples, views = rows // np.uint64(self.shard.views), rows % np.uint64(self.shard.views)
        found_samples, found_views, labels = self.values("sample"), self.values("view"), self.values("label")
        others = np.flatnonzero((found_samples != samples) | (found_views != views))
        if len(others):
            row = others[0]
            raise Damage(
                f"{self.path} has sample {found_samples[row]} view {found_views[row]} in row {row}, "
                f"expected sample {samples[row]} view {views[row]}; {_AGAIN}"
            )
        others = np.flatnonzero((labels < -1) | (labels >= len(self.manifest.classes)))
        if len(others):
            raise self.value("label", others[0], labels[others[0]], "-1 or a class index")

    def check_content(self) -> None:
        """Reads every byte: the digest, and that every number is one."""
        found = blake3(self.map, max_threads=blake3.AUTO).hexdigest()
        if found != self.record.blake3:
            raise self.content("content", self.record.blake3, found)
        self.identities  # noqa: B018
        crop = self.values("crop")
        self._each("crop", np.isfinite(crop).all(1) & (crop[:, 2:] > 0).all(1), "a rectangle")
        masses = [name for name in self.columns if name.startswith(("soft_t", "rest_t"))]
        if self.manifest.kept:
            self._check_kept()
        logits = "top_logits" if self.manifest.kept else "logits"
        self._each(logits, np.isfinite(self.read_values(logits)), "finite numbers")
        for name in masses:
            values = self.read_values(name)
            self._each(name, (values >= 0) & (values <= 1), "numbers from 0 to 1")

    def _each(self, name: str, fine: np.ndarray, expected: str) -> None:
        bad = np.flatnonzero(~fine.reshape(len(fine), -1).all(1)) if not fine.all() else np.zeros(0, np.int64)
        if len(bad):
            raise self.value(name, bad[0], self.values(name)[bad[0]], expected)

    def _check_kept(self) -> None:
        classes, logits = self.read_values("top_classes"), self.read_values("top_logits")
        before, after = logits[:, :-1], logits[:, 1:]
        in_order = (before > after) | ((before == after) & (classes[:, :-1] < classes[:, 1:]))
        sorted_classes = np.sort(classes, axis=1)
        fine = in_order.all(1) & (sorted_classes[:, 1:] != sorted_classes[:, :-1]).all(1)
        fine &= ((classes >= 0) & (classes < len(self.manifest.classes))).all(1)
        self._each("top_classes", fine, "different classes, the largest logit first")

    def check_derived(self) -> None:
        """The digest of its rows, and that its targets are the softened logits, bit by bit; of kept logits, that the rest is possible."""
        hasher = FieldHasher("decant rows")
        for name in self.columns:
            if not name.startswith("soft_t"):
                hasher.field(name, self.page(name))
        if hasher.finish() != self.record.rows_blake3:
            raise self.content("rows", self.record.rows_blake3, hasher.finish())
        if self.manifest.kept:
            return self._check_rest()
        logits = self.read_values("logits")
        for temperature in self.record.temperatures:
            name = temperature_column("soft", temperature)
            stored, expected = self.read_values(name), soften(logits, temperature).astype(logits.dtype)
            bad = np.argwhere(stored != expected)
            if len(bad):
                row, label = bad[0]
                raise Damage(
                    f"{self.path} has a {name} in row {row} that is not its logits softened: class {label} is "
                    f"{stored[row, label]}, expected {expected[row, label]}; {_AGAIN}"
                )

    def _check_rest(self) -> None:
        logits = self.read_values("top_logits")
        for temperature in self.record.temperatures:
            name = temperature_column("rest", temperature)
            powers = exponentials(logits, temperature)
            others = (len(self.manifest.classes) - (self.manifest.kept or 0)) * powers[:, -1]
            most = others / (sum_in_order(powers)[:, 0] + others)
            found = self.read_values(name)
            bad = np.flatnonzero(found > most * (1 + 1e-6) + float(np.finfo(np.float32).tiny))
            if len(bad):
                row = bad[0]
                raise Damage(
                    f"{self.path} has a {name} of {found[row]} in row {row}, the kept logits leave at most {most[row]}; {_AGAIN}"
                )


def _inside(folder: Path, root: Path, relative: str) -> Path:
    """A regular file of the cache that no link leads out of it."""
    path = folder / relative
    try:
        target = path.resolve(strict=True)
    except FileNotFoundError:
        raise Damage(f"{path} is missing; run `decant teacher-cache` to make it again") from None
    except (NotADirectoryError, RuntimeError, OSError) as error:
        raise Damage(f"{path} is not laid out as a shard of this cache: {error}; {_AGAIN}") from None
    if not target.is_relative_to(root):
        raise Damage(f"{path} leads out of the cache's folder, to {target}; a cache holds its own files")
    if not target.is_file():
        raise Damage(f"{path} is not laid out as a shard of this cache: it is not a regular file; {_AGAIN}")
    return path
