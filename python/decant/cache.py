"""A complete cache, open for reading: rows by (sample, view), columns mapped from the disk."""

import os
from functools import cached_property
from pathlib import Path
from typing import Sequence, Union

import numpy as np
from blake3 import blake3
from PIL import Image

from .complete import Complete, read_complete
from .errors import Mismatch
from .manifest import Manifest, Resize, decimal, read_manifest, temperature_column
from .operations import apply
from .pixels import IMAGENET_MEAN, IMAGENET_STD, Normalise, check_same, decode, square, view
from .shard import ShardFile
from .soften import exponentials, soften, sum_in_order
from .sources import Files, Source

Rows = Union[int, Sequence[int], np.ndarray]


class Cache:
    """The complete cache in a folder.

    Opening it checks `manifest.json`, `complete.json` and each shard's length and footer, all against their digests; it touches no
    row. `check_content` reads everything, as `train-student` does before its first step.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        manifest, data = read_manifest(self.path)
        self.manifest: Manifest = manifest
        self.complete: Complete = read_complete(self.path, manifest, data)
        root = self.path.resolve()
        shards = [ShardFile(self.path, root, manifest, *one) for one in zip(manifest.shards(), self.complete.records)]
        self._splits = {
            name: Split(self, name, [shard for shard in shards if shard.shard.split == name]) for name in manifest.samples
        }

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in label order."""
        return self.manifest.classes

    @property
    def temperatures(self) -> tuple[float, ...]:
        """The temperatures that it has soft targets at, ascending."""
        return self.complete.temperatures

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of its splits."""
        return tuple(self._splits)

    def split(self, name: str) -> "Split":
        """A split, once each of its rows is the (sample, view) that belongs there."""
        if name not in self._splits:
            raise Mismatch(f'{self.path} has no split "{name}", it has {", ".join(self._splits)}')
        split = self._splits[name]
        for shard in split.shards:
            shard.identities  # noqa: B018
        return split

    def check_content(self) -> None:
        """Reads every byte: each shard's digest, every value in its range."""
        for split in self._splits.values():
            for shard in split.shards:
                shard.check_content()

    def verify(self) -> None:
        """As `check_content`, and softens the logits again: each target must be the stored one, bit by bit."""
        self.check_content()
        for split in self._splits.values():
            for shard in split.shards:
                shard.check_derived()


class Column:
    """A column of a split: an array whose parts are mapped, one for each shard.

    `column[rows]` copies those rows, in any order and with repetitions; `numpy.asarray(column)` is the mapped array itself where the
    split has one shard, and a copy of all of them elsewhere.
    """

    def __init__(self, name: str, shards: list[ShardFile], step: int):
        self.name, self._step = name, step
        self.chunks: list[np.ndarray] = [shard.values(name) for shard in shards]
        # Rows of bytes: numpy copies an array that is not aligned as a whole before it takes rows of it.
        self._bytes = [_rows_of_bytes(chunk) for chunk in self.chunks]

    @property
    def dtype(self) -> np.dtype:
        return self.chunks[0].dtype if self.chunks else np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """`(rows,)`, or `(rows, width)` of lists."""
        return (len(self), *(self.chunks[0].shape[1:] if self.chunks else ()))

    def __len__(self) -> int:
        return sum(map(len, self.chunks))

    def __getitem__(self, rows: Rows | slice) -> np.ndarray:
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        rows = np.asarray(rows)
        if len(self._bytes) == 1:
            return self._take(self._bytes[0], rows)
        flat = rows.reshape(-1)
        out = np.empty((flat.size, *self.shape[1:]), self.dtype)
        shards = flat // self._step
        for shard in np.unique(shards):
            here = np.flatnonzero(shards == shard)
            out[here] = self._take(self._bytes[shard], flat[here] - shard * self._step)
        return out.reshape((*rows.shape, *self.shape[1:]))

    def _take(self, chunk: np.ndarray, rows: np.ndarray) -> np.ndarray:
        if chunk.dtype != np.uint8:
            return chunk[rows]
        return chunk.take(rows, axis=0).view(self.dtype).reshape((*rows.shape, *self.shape[1:]))

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        whole = self.chunks[0] if len(self.chunks) == 1 else np.concatenate(self.chunks) if self.chunks else np.empty(self.shape, self.dtype)
        return np.array(whole, dtype, copy=copy)


def _rows_of_bytes(chunk: np.ndarray) -> np.ndarray:
    if chunk.dtype == object:
        return chunk
    return np.frombuffer(chunk.data if chunk.flags.c_contiguous else chunk.copy(), np.uint8).reshape(len(chunk), -1)


class Split:
    """The rows of one split. Row `r` is view `r % views` of sample `r // views`."""

    def __init__(self, cache: Cache, name: str, shards: list[ShardFile]):
        manifest = cache.manifest
        self.cache, self.name, self.shards = cache, name, shards
        self.samples, self.views = manifest.samples[name], manifest.views(name)
        self.classes, self.kept = len(manifest.classes), manifest.kept
        self._columns: dict[str, Column] = {}

    def __len__(self) -> int:
        """Rows: samples times views."""
        return self.samples * self.views

    def rows(self, sample: Rows, view: Rows = 0) -> np.ndarray:
        """The rows of (sample, view), of integers or of arrays of them."""
        sample, view = np.asarray(sample, np.int64), np.asarray(view, np.int64)
        for found, count, what in ((sample, self.samples, "samples"), (view, self.views, "views")):
            bad = found[(found < 0) | (found >= count)]
            if bad.size:
                raise Mismatch(f'split "{self.name}" has {count} {what}, {what[:-1]} {bad.flat[0]} was asked for')
        return sample * self.views + view

    def column(self, name: str) -> Column:
        """A column by its name in the shards, mapped: `logits` and `soft_t5` are `[rows, classes]`, `crop` is `[rows, 4]`."""
        if name not in self._columns:
            names = self.shards[0].columns if self.shards else {name: None}
            if name not in names:
                raise Mismatch(f'{self.cache.path} has no column "{name}", it has {", ".join(names)}')
            self._columns[name] = Column(name, self.shards, self.cache.manifest.shard_rows)
        return self._columns[name]

    @cached_property
    def label(self) -> np.ndarray:
        """Class indices, -1 where unlabelled, `[rows]`."""
        return np.asarray(self.column("label"))

    def logits(self, rows: Rows, temperature: float = 1.0) -> np.ndarray:
        """The teacher's logits, `[len(rows), classes]` float32.

        Of a top-k cache all classes that were dropped get the one logit that gives them their exact mass together, at the stored
        temperature that is nearest to `temperature`.
        """
        rows = self._checked(rows)
        if not self.kept:
            return self.column("logits")[rows].astype(np.float32, copy=False)
        held = self.cache.temperatures
        if not held:
            raise self._no_temperature(temperature)
        nearest = min(held, key=lambda one: abs(np.float32(one) - np.float32(temperature)))
        classes, kept, rest = self._top(rows, nearest)
        rest = np.maximum(rest, np.finfo(np.float32).tiny).astype(np.float64)
        powers = sum_in_order(exponentials(kept, nearest))[:, 0]
        each = rest / (self.classes - self.kept) * powers / np.maximum(1 - rest, np.finfo(np.float32).eps / 2)
        level = kept[:, 0].astype(np.float64) + np.float64(np.float32(nearest)) * np.log(each)
        out = np.repeat(np.minimum(level.astype(np.float32), kept[:, -1])[:, None], self.classes, axis=1)
        np.put_along_axis(out, classes, kept, axis=1)
        return out

    def soft(self, temperature: float, rows: Rows) -> np.ndarray:
        """The soft targets at a temperature, `[len(rows), classes]` float32; where there is no column of them they are made from the logits.

        Of a top-k cache the mass of the dropped classes is spread evenly among them; `top` does not take that for knowledge.
        """
        rows = self._checked(rows)
        if self.kept:
            classes, masses = self.top(temperature, rows)
            out = np.repeat(masses[:, -1:] / np.float32(self.classes - self.kept), self.classes, axis=1)
            np.put_along_axis(out, classes, masses[:, :-1], axis=1)
            return out
        if self._holds(temperature):
            return self.column(temperature_column("soft", temperature))[rows].astype(np.float32, copy=False)
        stored = self.column("logits")[rows]
        return soften(stored, temperature).astype(stored.dtype).astype(np.float32, copy=False)

    def top(self, temperature: float, rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        """What a top-k cache knows: the kept classes, `[len(rows), k]`, and their targets followed by the mass of all others, `[len(rows), k + 1]`."""
        if not self.kept:
            raise Mismatch(f'split "{self.name}" stores every class, not only the largest; read its soft targets instead')
        if not self._holds(temperature):
            raise self._no_temperature(temperature)
        classes, logits, rest = self._top(self._checked(rows), temperature)
        powers = exponentials(logits, temperature)
        scale = (1 - rest.astype(np.float64))[:, None] / sum_in_order(powers)
        return classes, np.concatenate([(powers * scale).astype(np.float32), rest[:, None]], axis=1)

    def images(self, source: Source) -> "Images":
        """The split's images: below a folder (the pipeline's `dataset.source`), or from a function that gives a sample's encoded bytes."""
        return Images(self, source)

    def _top(self, rows: np.ndarray, temperature: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        classes = self.column("top_classes")[rows].astype(np.int64)
        bad = np.argwhere((classes < 0) | (classes >= self.classes))
        if len(bad):
            row = int(rows[bad[0][0]])
            shard, row = divmod(row, self.cache.manifest.shard_rows)
            raise self.shards[shard].value("top_classes", row, classes[tuple(bad[0])], "a class index")
        return classes, self.column("top_logits")[rows], self.column(temperature_column("rest", temperature))[rows]

    def _holds(self, temperature: float) -> bool:
        return float(np.float32(temperature)) in self.cache.temperatures

    def _no_temperature(self, temperature: float) -> Mismatch:
        available = ", ".join(map(decimal, self.cache.temperatures)) or "none"
        return Mismatch(
            f"the cache holds no targets at temperature {decimal(temperature)}, it has {available}; "
            "add it with `decant cache soften`, or to [cache] temperatures"
        )

    def _checked(self, rows: Rows) -> np.ndarray:
        rows = np.atleast_1d(np.asarray(rows, np.int64))
        bad = rows[(rows < 0) | (rows >= len(self))]
        if bad.size:
            raise Mismatch(f'split "{self.name}" has {len(self)} rows, row {bad[0]} was asked for')
        return rows


class Images:
    """The views of a split's images, replayed from the crops, flips and operations that stand in its rows."""

    def __init__(self, split: Split, source: Source):
        self.split = split
        self._source = source if callable(source) else Files(source)

    def encoded(self, row: int) -> bytes:
        """The image's file, once it is the one that the cache was made from."""
        sample = row // self.split.views
        name = self.name(row)
        data = self._source(str(self.split.column("path")[row])) if isinstance(self._source, Files) else self._source(sample)
        found, expected = blake3(data).digest()[:16], self.split.column("image_hash")[row].tobytes()
        if found != expected:
            raise Mismatch(
                f"{name} is not the image that the cache was made from: BLAKE3 {found.hex()}, expected {expected.hex()}; "
                "give the same dataset, or run `decant teacher-cache` on this one"
            )
        return data

    def name(self, row: int) -> str:
        """What messages call a row's image."""
        return str(self.split.column("path")[row]) or f"sample {row // self.split.views} of {self.split.name}"

    def pixels(self, row: int) -> Image.Image:
        """What the teacher was given, 8-bit RGB, checked against the stored `input_hash`."""
        return self._view(row, self.split.cache.manifest.resize)

    def image(
        self, row: int, size: int, mean: Sequence[float] = IMAGENET_MEAN, std: Sequence[float] = IMAGENET_STD
    ) -> np.ndarray:
        """The same view as a student of `size` x `size` pixels sees it, `[3, size, size]` float32, normalised.

        Where the teacher saw that size by the same filter, the pixels are checked against the stored `input_hash`.
        """
        return Normalise(mean, std)(self.view(row, size))

    def view(self, row: int, size: int) -> Image.Image:
        """As `image`, the 8-bit pixels."""
        return self._view(row, square(size))

    def _view(self, row: int, resize: Resize) -> Image.Image:
        split = self.split
        image = view(decode(self.encoded(row)), split.column("crop")[row], bool(split.column("flip")[row]), resize)
        if split.cache.manifest.operations:
            image = apply(image, split.column("operations")[row])
        if resize == split.cache.manifest.resize:
            check_same(self.name(row), image, split.column("input_hash")[row].tobytes())
        return image
