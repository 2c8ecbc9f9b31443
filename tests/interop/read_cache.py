"""Opens every shard of a cache, and each split's folder, with pyarrow, pandas, DuckDB, Polars and Hugging Face datasets, and compares
every value.

    pip install -r tests/interop/requirements.txt
    python tests/interop/read_cache.py cache/leaves-0123456789ab

The logits that pyarrow reads are the reference: the other readers must agree bit by bit, and each soft target must be
the logits softened in numpy, to one unit in the last place (numpy's exp is not fdlibm's).
"""

import json
import sys
from pathlib import Path

import datasets
import duckdb
import numpy as np
import pandas
import polars
import pyarrow as pa
import pyarrow.parquet as pq


def column(prefix: str, temperature: float) -> str:
    text = np.format_float_positional(np.float32(temperature), trim="-")
    return f"{prefix}_t" + text.replace(".", "p")


def soften(logits: np.ndarray, temperature: float) -> np.ndarray:
    scaled = logits.astype(np.float64)
    scaled = np.exp((scaled - scaled.max(axis=1, keepdims=True)) / np.float64(np.float32(temperature)))
    return (scaled / scaled.sum(axis=1, keepdims=True)).astype(np.float32)


def columns_pyarrow(path: Path) -> dict:
    table = pq.read_table(path)
    return {name: table.column(name).to_pylist() for name in table.column_names}


def columns_duckdb(path: Path) -> dict:
    relation = duckdb.sql(f"select * from read_parquet('{path}')")
    return dict(zip(relation.columns, map(list, zip(*relation.fetchall()))))


def columns_polars(path: Path) -> dict:
    return polars.read_parquet(path).to_dict(as_series=False)


def columns_datasets(path: Path) -> dict:
    loaded = datasets.Dataset.from_parquet(str(path), keep_in_memory=True)
    return {name: list(loaded[name]) for name in loaded.column_names}


OTHERS = {"duckdb": columns_duckdb, "polars": columns_polars, "datasets": columns_datasets}


def check_shard(path: Path, manifest: dict, split: str, first_row: int) -> int:
    reference = columns_pyarrow(path)
    scalars = ["sample", "path", "image_hash", "label", "view", "crop", "flip", "input_hash"]
    scalars += ["operations"] if "operations" in manifest["view"] else []
    assert list(reference)[: len(scalars)] == scalars, list(reference)
    rows, views = len(reference["sample"]), views_of(manifest, split)
    identities = [divmod(first_row + row, views) for row in range(rows)]
    assert list(zip(reference["sample"], reference["view"])) == identities, path
    assert all(len(value) == 16 for value in reference["image_hash"])
    assert all(len(value) == 8 for value in reference["input_hash"])
    assert all(len(value) == 4 for value in reference["crop"])
    values = {name: reference[name] for name in list(reference)[len(scalars) :]}
    if isinstance(manifest["encoding"], dict):
        check_kept(values, rows, manifest)
    else:
        check_dense(values, rows, manifest)
    for reader, columns in OTHERS.items():
        found = columns(path)
        assert list(found) == list(reference), (reader, list(found))
        for name in reference:
            assert [plain(value) for value in found[name]] == [plain(value) for value in reference[name]], (reader, path, name)
    values = pq.read_metadata(path).metadata
    assert values[b"decant.key"].decode() == manifest["key"]
    assert json.loads(values[b"decant.classes"]) == manifest["dataset"]["classes"]
    assert (values[b"decant.split"].decode(), int(values[b"decant.first_row"])) == (split, first_row)
    return rows


def check_dense(values: dict, rows: int, manifest: dict) -> None:
    temperatures = manifest["temperatures"]
    assert list(values) == ["logits"] + [column("soft", temperature) for temperature in temperatures], list(values)
    stored = np.dtype(manifest["encoding"])
    logits = np.array(values["logits"], dtype=stored)
    assert logits.shape == (rows, len(manifest["dataset"]["classes"])), logits.shape
    for temperature in temperatures:
        expected = soften(logits, temperature).astype(stored)
        np.testing.assert_array_max_ulp(np.array(values[column("soft", temperature)], dtype=stored), expected)


def check_kept(values: dict, rows: int, manifest: dict) -> None:
    temperatures, kept = manifest["temperatures"], manifest["encoding"]["top-k"]
    rest = [column("rest", temperature) for temperature in temperatures]
    assert list(values) == ["top_classes", "top_logits"] + rest, list(values)
    classes, logits = np.array(values["top_classes"]), np.array(values["top_logits"])
    assert classes.shape == logits.shape == (rows, kept), (classes.shape, logits.shape)
    assert all(len(set(row)) == kept for row in classes.tolist())
    assert (np.diff(logits, axis=1) <= 0).all()
    assert all(0 <= mass <= 1 for name in rest for mass in values[name])


def check_folder(folder: Path, rows: int) -> None:
    """A split's folder is a dataset: each reader opens it by its name, without a pattern."""
    reference = pq.read_table(folder)
    names = reference.column_names
    assert reference.num_rows == rows, (folder, reference.num_rows)
    read = {
        "pandas": list(pandas.read_parquet(folder).columns),
        "polars": polars.read_parquet(folder).columns,
        "duckdb": duckdb.sql(f"select * from read_parquet('{folder}')").columns,
        "datasets": datasets.load_dataset(str(folder), split="train", keep_in_memory=True).column_names,
    }
    for reader, found in read.items():
        assert found == names, (reader, found)
    assert len(pandas.read_parquet(folder)) == len(polars.read_parquet(folder)) == rows
    samples = reference.column("sample").to_pylist()
    assert list(polars.read_parquet(folder)["sample"]) == samples
    assert list(pandas.read_parquet(folder)["sample"]) == samples
    assert datasets.load_dataset(str(folder), split="train", keep_in_memory=True)["sample"][:] == samples
    for name in names:
        kind = reference.schema.field(name).type
        if not pa.types.is_fixed_size_list(kind):
            assert not pa.types.is_list(kind), (name, kind)
            continue
        # Lists of fixed size become arrays of numpy without a copy.
        for chunk in reference.column(name).chunks:
            values = chunk.flatten().to_numpy(zero_copy_only=True).reshape(len(chunk), kind.list_size)
            assert values.shape == (len(chunk), kind.list_size)


def views_of(manifest: dict, split: str) -> int:
    return manifest["view"]["views"] if split == "train" else 1


def plain(value):
    """A list's numbers as Python's own: float16 comes as one of numpy's, or widened."""
    return [plain(element) for element in value] if isinstance(value, (list, tuple)) else as_float(value)


def as_float(value):
    return float(value) if isinstance(value, np.floating) else value


def main(folder: Path) -> None:
    datasets.disable_progress_bars()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["temperatures"] = json.loads((folder / "complete.json").read_text())["temperatures"]
    total = 0
    for split in manifest["dataset"]["splits"]:
        rows, first_row, part = split["samples"] * views_of(manifest, split["name"]), 0, 0
        while first_row < rows:
            path = folder / split["name"] / f"part-{part:05}.parquet"
            first_row += check_shard(path, manifest, split["name"], first_row)
            part += 1
        assert first_row == rows, (split, first_row)
        if rows:
            check_folder(folder / split["name"], rows)
        total += rows
    print(f"{folder.name}: pyarrow, pandas, duckdb, polars and datasets agree on {total} rows")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
