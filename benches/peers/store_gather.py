"""How fast other readers give the same rows: `store_gather.py CACHE`, after `store_gather.rs` has made the cache.

Prints one line a measurement, as the benchmark beside it: `name order value unit`. Every reader gives batches of 256 rows of
`soft_t5` as float32 in numpy, from files that are in the page cache, through a memory map.
"""

import glob
import os
import shutil
import statistics
import sys
import tempfile
import time

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BATCH, COLUMN, ROUNDS = 256, "soft_t5", 3
files = sorted(glob.glob(f"{sys.argv[1]}/train/*.parquet"))
datasets.disable_progress_bars()


def report(name, order, work):
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        values = work()
        seconds.append(time.perf_counter() - started)
    print(f"{name} {order} {values * 4 / 1e9 / statistics.median(seconds):.3f} GB/s", flush=True)


def flat(column):
    """A list column's values; its chunks are put together first."""
    return np.asarray((column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column).flatten())


def pyarrow_in_order():
    values = 0
    for file in files:
        with pq.ParquetFile(file, memory_map=True) as parquet:
            for batch in parquet.iter_batches(BATCH, columns=[COLUMN]):
                values += flat(batch.column(0)).size
    return values


report("pyarrow-parquet", "sequential", pyarrow_in_order)

# Parquet has no random access in pyarrow: the column is decoded into memory first, which is not counted here.
table = pq.read_table(files, columns=[COLUMN], memory_map=True)[COLUMN]
rows, classes = len(table), len(table[0])
order = np.random.default_rng(0).permutation(rows)
batches = [order[start : start + BATCH] for start in range(0, rows, BATCH)]
report("pyarrow-in-memory", "random", lambda: sum(flat(table.take(pa.array(batch))).size for batch in batches))

scratch = tempfile.mkdtemp(dir=os.path.dirname(sys.argv[1]))
try:
    path = f"{scratch}/targets.f32"
    np.concatenate([flat(chunk) for chunk in table.chunks]).astype(np.float32).tofile(path)
    memmap = np.memmap(path, np.float32, "r", shape=(rows, classes))
    memmap.sum()
    report(
        "numpy-memmap", "sequential", lambda: sum(np.array(memmap[at : at + BATCH]).size for at in range(0, rows, BATCH))
    )
    report("numpy-memmap", "random", lambda: sum(memmap[batch].size for batch in batches))

    mapped = datasets.Dataset.from_parquet(files, columns=[COLUMN], cache_dir=f"{scratch}/hf").with_format("numpy")
    report(
        "datasets-arrow",
        "sequential",
        lambda: sum(np.asarray(mapped[at : at + BATCH][COLUMN]).size for at in range(0, rows, BATCH)),
    )
    report("datasets-arrow", "random", lambda: sum(np.asarray(mapped[batch][COLUMN]).size for batch in batches))
finally:
    shutil.rmtree(scratch)
