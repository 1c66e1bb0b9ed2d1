"""A JSON document (RFC 8259) too large to hold: its long arrays are read one element at a time.

Only the containers on the way to a named array are entered; every other value is decoded whole.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ontologies.errors import SourceError
from ontologies.readers.files import open_file
from ontologies.readers.json_file import Json

_CHUNK = 1 << 18  # bytes
_FAR = 1 << 20  # characters: an error this far before the end of what was read is no value cut in two
_CUT = len("e+")  # a number cut here, 1e+, decodes as 1
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Item:
    """One decoded value. key: its path without indices, `graphs[].nodes[]`; field: with them; line: where it begins."""

    key: str
    field: str
    line: int
    value: Json


def stream_json(path: Path, *arrays: str) -> Iterator[Item]:
    """The document's values in its order, where the elements of `arrays` ("graphs[].nodes[]") come one by one.

    Raises `SourceError` with the line of what is not JSON or not UTF-8.
    """
    entered = {array[: part.start()] for array in arrays for part in re.finditer(r"\[\]|\.", array)}
    with open_file(path) as handle:
        text = _Text(path, handle)
        yield from _items(text, frozenset(entered | {""}), "", "")
        if text.peek():
            raise text.error("expected the end of the document")


def _items(text: _Text, entered: frozenset[str], key: str, field: str) -> Iterator[Item]:
    opening = text.peek()
    if opening == "[" and key in entered:
        for i in text.elements():
            yield from _items(text, entered, f"{key}[]", f"{field}[{i}]")
    elif opening == "{" and key in entered:
        for name in text.members():
            yield from _items(text, entered, f"{key}.{name}".lstrip("."), f"{field}.{name}".lstrip("."))
    else:
        yield Item(key, field, text.line, text.value())


class _Text:
    """The document's characters as far as they are read, and the place reached in them."""

    def __init__(self, path: Path, handle: BinaryIO) -> None:
        self._path = path
        self._handle = handle
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._buffer = ""
        self._place = 0
        self._ended = False
        self._line, self._counted = 1, 0  # the line of the place up to which newlines are counted

    @property
    def line(self) -> int:
        """The line of the place reached, from 1."""
        self._line += self._buffer.count("\n", self._counted, self._place)
        self._counted = self._place
        return self._line

    def peek(self) -> str:
        """The next character that is not white space, or "" at the end."""
        while True:
            self._place = _SPACE.match(self._buffer, self._place).end()  # type: ignore[union-attr]  # matches nothing too
            if self._place < len(self._buffer):
                return self._buffer[self._place]
            if self._ended:
                return ""
            self._read(_CHUNK)

    def elements(self) -> Iterator[int]:
        """The index of each element of the array here; the caller reads the element before it asks for the next."""
        self._take("[")
        i = 0
        while i or self.peek() != "]":
            yield i
            i += 1
            if self.peek() == "]":
                break
            self._take(",")
        self._take("]")

    def members(self) -> Iterator[str]:
        """The name of each member of the object here; the caller reads its value before it asks for the next."""
        self._take("{")
        first = True
        while not first or self.peek() != "}":
            first = False
            if self.peek() != '"':
                raise self.error("expected the name of a member")
            name = str(self.value())
            self._take(":")
            yield name
            if self.peek() == "}":
                break
            self._take(",")
        self._take("}")

    def value(self) -> Json:
        """The whole value here."""
        self.peek()
        size = _CHUNK
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._place)
            except json.JSONDecodeError as error:
                if self._ended or error.pos < len(self._buffer) - _FAR:
                    self._place = error.pos
                    raise self.error(f"expected JSON, got {error.msg.lower()}") from None
            except RecursionError:
                raise self.error("expected JSON nested less deeply") from None
            else:
                if end + _CUT < len(self._buffer) or self._ended:
                    self._place = end
                    return value
            self._read(size)
            size *= 2

    def error(self, message: str) -> SourceError:
        return SourceError(message, path=self._path, line=self.line)

    def _take(self, char: str) -> None:
        came = self.peek()
        if came != char:
            raise self.error(f"expected JSON with {char!r} here, got {came or 'the end of the file'!r}")
        self._place += 1

    def _read(self, size: int) -> None:
        chunk = self._handle.read(size)
        line = self.line
        try:
            new = self._utf8.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            lines = self._buffer.count("\n", self._place) + error.object.count(b"\n", 0, error.start)
            message = f"expected UTF-8, got byte 0x{error.object[error.start]:02x}"
            raise SourceError(message, path=self._path, line=line + lines) from None
        self._buffer = self._buffer[self._place :] + new
        self._place = self._counted = 0
        self._ended = not chunk
