"""Sealed JSON: files that end in the digest of their own bytes (cache/README.md, "Sealed JSON")."""

import json
import os
import stat
from pathlib import Path
from typing import Any, Callable

from blake3 import blake3

from .errors import Damage

LIMIT = 256 << 20
_DIGITS = 64
# What stands before the digest, after it, and in place of both in the JSON that is digested: of a file, and of a line in a file of many.
_FILE = b',\n  "checksum": "', b'"\n}\n', b"\n}"
_LINE = b',"checksum":"', b'"}', b"}"


class Number(float):
    """A float that knows how it was written."""

    text: str

    def __new__(cls, text: str) -> "Number":
        number = super().__new__(cls, text)
        number.text = text
        return number


def damaged(path: Path, reason: str) -> Damage:
    return Damage(f"{path} is damaged: {reason}; restore it from a copy")


def contradiction(path: Path, field: str, expected: Any, found: Any) -> Damage:
    return damaged(path, f"{field} should be {expected}, found {found}")


def read_bytes(path: Path) -> bytes | None:
    """The bytes of a regular file; one that is not there is `None`."""
    try:
        # A pipe in the file's place must not be waited for.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        if path.is_symlink():
            raise damaged(path, "it is a link to a file that is not there") from None
        return None
    except NotADirectoryError:
        raise damaged(path, "a file stands where its folder belongs") from None
    except OSError as error:
        if path.is_dir():
            raise damaged(path, "it is not a regular file") from None
        raise error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise damaged(path, "it is not a regular file")
        if status.st_size > LIMIT:
            raise damaged(path, f"it has {status.st_size} bytes, at most {LIMIT} are read")
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read()
    finally:
        os.close(descriptor)


def parse(path: Path, data: bytes) -> dict:
    """The object in a sealed file's bytes, without its checksum."""
    return _parse(path, data, *_FILE)


def parse_line(path: Path, line: bytes) -> dict:
    """The object in a sealed line of a file, without its checksum."""
    return _parse(path, line, *_LINE)


def _parse(path: Path, data: bytes, before: bytes, after: bytes, end: bytes) -> dict:
    body = data[: -len(after)]
    content, expected = body[: -_DIGITS - len(before)], body[-_DIGITS:]
    if not data.endswith(after) or not body[: -_DIGITS].endswith(before):
        raise damaged(path, "it does not end in a checksum")
    found = blake3(content).hexdigest()
    if found.encode() != expected:
        text = expected.decode(errors="replace")
        raise Damage(f"{path} is damaged: its checksum says {text}, its content has {found}; restore it from a copy")
    try:
        value = json.loads(content + end, object_pairs_hook=_once, parse_constant=_refuse, parse_float=Number)
    except (ValueError, RecursionError) as error:
        raise damaged(path, str(error)) from None
    if type(value) is not dict:
        raise damaged(path, "it is not an object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands there twice")
    return fields


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number")


class Fields:
    """The fields of a JSON object, each taken once and checked; `end` refuses what is left."""

    def __init__(self, path: Path, value: Any, where: str = ""):
        self.path, self.where = path, where
        if type(value) is not dict:
            raise damaged(path, f"{where or 'its content'} is not an object")
        self.left = dict(value)

    def take(self, name: str, kind: Callable[[Any], Any], *default: Any) -> Any:
        if name not in self.left:
            if default:
                return default[0]
            raise damaged(self.path, f"missing field `{self.where}{name}`")
        value = self.left.pop(name)
        try:
            return kind(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise damaged(self.path, f"field `{self.where}{name}` is {error}") from None

    def inner(self, name: str) -> "Fields":
        return Fields(self.path, self.take(name, lambda value: value), f"{self.where}{name}.")

    def end(self) -> None:
        if self.left:
            raise damaged(self.path, f"unknown field `{self.where}{next(iter(self.left))}`")


def text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r}, expected text")
    return value


def boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError(f"{value!r}, expected true or false")
    return value


def number(value: Any) -> float:
    if type(value) not in (int, Number):
        raise TypeError(f"{value!r}, expected a number")
    return value


def integer(bits: int) -> Callable[[Any], int]:
    return integer_up_to((1 << bits) - 1)


def integer_up_to(most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is not int or not 0 <= value <= most:
            raise TypeError(f"{value!r}, expected an integer from 0 to {most}")
        return value

    return check


def digest(value: Any) -> str:
    """64 hexadecimal digits, in lower case."""
    if type(value) is not str or len(value) != 64 or not set(value) <= set("0123456789abcdefABCDEF"):
        raise TypeError(f"{value!r}, expected 64 hexadecimal digits")
    return value.lower()


def list_of(kind: Callable[[Any], Any], length: int | None = None) -> Callable[[Any], list]:
    def check(value: Any) -> list:
        if type(value) is not list or length not in (None, len(value)):
            raise TypeError(f"{value!r}, expected a list")
        return [kind(one) for one in value]

    return check


class FieldHasher:
    """A digest over named fields, each put in with its length."""

    def __init__(self, purpose: str):
        self.hasher = blake3()
        self._put(purpose.encode())

    def field(self, name: str, value: str | bytes | memoryview) -> None:
        self._put(name.encode())
        self._put(value.encode() if isinstance(value, str) else value)

    def finish(self) -> str:
        return self.hasher.hexdigest()

    def _put(self, data: bytes | memoryview) -> None:
        self.hasher.update(len(data).to_bytes(8, "little"))
        self.hasher.update(data)
