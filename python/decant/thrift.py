"""Structs in Thrift's compact protocol, as parquet has them: a footer, a page's header.

Parquet libraries take files for sound; one that a forger wrote ends the process. Here anything that is not a struct is a `ValueError`.
"""

from typing import Any

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _STRUCT = 1, 2, 3, 7, 8, 9, 12
_INTEGERS = (4, 5, 6)
_DEPTH = 8


def struct(data: memoryview, at: int = 0) -> tuple[dict[int, Any], int]:
    """The struct at a place, by field number, and where it ends. Texts are bytes; a true in a list is 1."""
    try:
        return _struct(data, at, 0)
    except IndexError:
        raise ValueError("it ends too soon") from None


def _struct(data: memoryview, at: int, depth: int) -> tuple[dict[int, Any], int]:
    if depth > _DEPTH:
        raise ValueError("it is nested too deeply")
    fields: dict[int, Any] = {}
    number = 0
    while True:
        head = data[at]
        at += 1
        if head == 0:
            return fields, at
        kind = head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, at = _zigzag(data, at)
        if number in fields:
            raise ValueError(f"field {number} is there twice")
        if kind in (_TRUE, _FALSE):
            fields[number] = kind == _TRUE
        else:
            fields[number], at = _value(data, at, kind, depth)


def _value(data: memoryview, at: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind in _INTEGERS:
        return _zigzag(data, at)
    if kind == _STRUCT:
        return _struct(data, at, depth + 1)
    if kind == _BINARY:
        length, at = varint(data, at)
        return bytes(_slice(data, at, length)), at + length
    if kind == _LIST:
        return _list(data, at, depth)
    if kind in (_BYTE, _TRUE, _FALSE):
        return data[at], at + 1
    if kind == _DOUBLE:
        return bytes(_slice(data, at, 8)), at + 8
    raise ValueError(f"it has a field of type {kind}")


def _list(data: memoryview, at: int, depth: int) -> tuple[list, int]:
    head = data[at]
    count, kind, at = head >> 4, head & 15, at + 1
    if count == 15:
        count, at = varint(data, at)
    # Each takes a byte at least.
    _slice(data, at, count)
    values = []
    for _ in range(count):
        value, at = _value(data, at, kind, depth)
        values.append(value)
    return values, at


def _slice(data: memoryview, at: int, length: int) -> memoryview:
    if at + length > len(data):
        raise ValueError("it ends too soon")
    return data[at : at + length]


def varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number is too long")


def _zigzag(data: memoryview, at: int) -> tuple[int, int]:
    value, at = varint(data, at)
    return (value >> 1) ^ -(value & 1), at
