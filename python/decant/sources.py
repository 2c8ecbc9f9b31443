"""Where the encoded images of a cache's rows are: an image folder, parquet files, or a function of one's own."""

import re
from collections import OrderedDict
from pathlib import Path
from typing import Callable, Union

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import Mismatch

Source = Union[str, Path, Callable[[int], bytes]]
_ROW = re.compile(r"(?P<file>.+) row (?P<row>\d+)")
_RECENT = 4


class Files:
    """The images below the folder that was the pipeline's `dataset.source`."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.starts: dict[Path, list[int]] = {}
        self.groups: OrderedDict[tuple[Path, int], pa.Array] = OrderedDict()

    def __call__(self, path: str) -> bytes:
        """The bytes of the image that a row's `path` names."""
        if not path:
            raise Mismatch("the cache does not say where its images are, since it was upgraded from format 1; give a function of the sample instead of a folder")
        in_parquet = _ROW.fullmatch(path)
        if in_parquet and in_parquet["file"].endswith(".parquet"):
            return self._parquet(self._at(in_parquet["file"]), int(in_parquet["row"]))
        try:
            return self._at(path).read_bytes()
        except FileNotFoundError:
            raise Mismatch(f"{self.folder / path} is not there; give the folder that was dataset.source when the cache was made") from None

    def _at(self, path: str) -> Path:
        if Path(path).is_absolute() or ".." in Path(path).parts:
            raise Mismatch(f"{path} leads out of {self.folder}")
        return self.folder / path

    def _parquet(self, path: Path, row: int) -> bytes:
        starts = self.starts.get(path)
        if starts is None:
            if not path.is_file():
                raise Mismatch(f"{path} is not there; give the folder that was dataset.source when the cache was made")
            metadata = pq.read_metadata(path)
            starts = [0]
            for group in range(metadata.num_row_groups):
                starts.append(starts[-1] + metadata.row_group(group).num_rows)
            self.starts[path] = starts
        found = next((at for at, end in enumerate(starts[1:]) if row < end), None)
        if found is None:
            raise Mismatch(f"{path} has {starts[-1]} rows, row {row} was asked for")
        return self._group(path, found)[row - starts[found]].as_py()

    def _group(self, path: Path, group: int) -> pa.ChunkedArray:
        found = self.groups.pop((path, group), None)
        if found is None:
            file = pq.ParquetFile(path)
            names = [field.name for field in file.schema_arrow if pa.types.is_struct(field.type) or pa.types.is_binary(field.type)]
            if not names:
                raise Mismatch(f"{path} has no column of images")
            found = file.read_row_group(group, columns=names[:1]).column(0)
            if pa.types.is_struct(found.type):
                found = pa.chunked_array([chunk.field("bytes") for chunk in found.chunks])
        self.groups[path, group] = found
        while len(self.groups) > _RECENT:
            self.groups.popitem(last=False)
        return found
