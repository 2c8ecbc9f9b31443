"""The only page of a column chunk: its header, its levels, and where its values are (cache/README.md, "Layout")."""

from dataclasses import dataclass

import numpy as np

from .thrift import struct, varint

_PLAIN, _RLE, _DATA_PAGE = 0, 3, 0


@dataclass(frozen=True)
class Header:
    """A data page's header; `length` is its own."""

    length: int
    uncompressed: int
    compressed: int
    values: int


def header(data: memoryview) -> Header:
    """The header of a plain-encoded data page of version 1.

    Raises `ValueError` for anything else.
    """
    try:
        fields, length = struct(data)
        page = fields[5]
        found = Header(length, fields[2], fields[3], page[1])
        is_plain = (fields[1], page[2], page[3], page[4]) == (_DATA_PAGE, _PLAIN, _RLE, _RLE)
        is_plain = is_plain and min(found.uncompressed, found.compressed, found.values) >= 0
    except (ValueError, KeyError, TypeError):
        raise ValueError("an unreadable page") from None
    if not is_plain:
        raise ValueError("a page that is not plain data")
    return found


_KNOWN: dict[tuple[int, int], bytes] = {}


def values_start(page: memoryview, rows: int, width: int) -> int | None:
    """Where the values of a list column's page start, if its levels are those of `rows` lists of `width` values each."""
    known = _KNOWN.get((rows, width))
    if known and page[: len(known)] == known:
        return len(known)
    repetition, at = _levels(page, 0)
    if repetition is None:
        return None
    definition, at = _levels(page, at)
    if definition is None:
        return None
    starts = np.zeros(rows * width, np.uint8)
    starts.reshape(rows, width)[:, 1:] = 1
    for levels, expected in ((repetition, starts), (definition, np.ones(rows * width, np.uint8))):
        found = _bits(levels, rows * width)
        if found is None or not np.array_equal(found, expected):
            return None
    _KNOWN[rows, width] = bytes(page[:at])
    return at


def _levels(page: memoryview, at: int) -> tuple[memoryview | None, int]:
    if at + 4 > len(page):
        return None, at
    end = at + 4 + int.from_bytes(page[at : at + 4], "little")
    return (page[at + 4 : end], end) if end <= len(page) else (None, at)


def _bits(runs: memoryview, total: int) -> np.ndarray | None:
    """`total` levels of parquet's RLE and bit-packing hybrid, one bit wide; `None` where they are not so many."""
    levels, done, at = np.empty(total, np.uint8), 0, 0
    try:
        while done < total:
            head, at = varint(runs, at)
            count = head >> 1
            if head & 1:
                packed = np.frombuffer(runs[at : at + count], np.uint8)
                at += count
                bits = np.unpackbits(packed, bitorder="little")[: total - done]
                if count == 0 or len(packed) != count:
                    return None
                levels[done : done + len(bits)] = bits
                done += len(bits)
            else:
                value = runs[at]
                at += 1
                if value > 1 or not 0 < count <= total - done:
                    return None
                levels[done : done + count] = value
                done += count
    except (IndexError, ValueError):
        return None
    return levels if at == len(runs) else None
