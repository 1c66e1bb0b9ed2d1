"""Files of a release: read whole or line by line, each failure a `SourceError` that names the file and the line.

A file whose name ends in `.gz`, `.bz2`, `.xz` or `.zst` is decompressed on the way (RFC 1952; bzip2; the .xz file
format; RFC 8878).
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import hashlib
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from ontologies.errors import SourceError

BOM = codecs.BOM_UTF8
COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_UNREADABLE = (OSError, EOFError, lzma.LZMAError, zlib.error)


def check_file(path: Path) -> None:
    """Raise where `path` is not a regular file."""
    if path.is_file():
        return
    raise SourceError(f"expected a file, got {'a directory' if path.is_dir() else 'no such file'}", path=path)


def uncompressed_name(path: Path) -> str:
    """The file's name without the suffix of a compression.

    >>> uncompressed_name(Path("release/hp.obo.xz"))
    'hp.obo'
    """
    return path.stem if path.suffix.lower() in COMPRESSIONS else path.name


def digest(path: Path) -> str:
    """SHA-256 of the file as it lies on disk, hexadecimal."""
    check_file(path)
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"expected a readable file, got: {error}", path=path) from None


def first_bytes(path: Path, *, size: int = 4096) -> bytes:
    """The first `size` bytes after decompression, without a byte order mark."""
    check_file(path)
    try:
        with _open(path) as handle:
            return handle.read(size).removeprefix(BOM)
    except _UNREADABLE as error:
        raise _unreadable(path, error, line=1) from None


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes after decompression; what cannot be read, now or later on, is a `SourceError`."""
    check_file(path)
    try:
        with _open(path) as handle:
            yield handle
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each line with its 1-based number and its ending. Only a newline ends a line, as in every format read here."""
    for number, line in read_raw_lines(path):
        yield number, decoded_line(line, path, number)


def read_raw_lines(*paths: Path) -> Iterator[tuple[int, bytes]]:
    """As `read_lines`, not decoded. Several files are parts of one, wherever it was cut."""
    number, rest = 0, b""
    for path in paths:
        check_file(path)
        try:
            with _open(path) as handle:
                for line in handle:
                    if path is not paths[-1] and not line.endswith(b"\n"):
                        rest += line
                        continue
                    number += 1
                    yield number, rest + line if number > 1 else (rest + line).removeprefix(BOM)
                    rest = b""
        except _UNREADABLE as error:
            raise _unreadable(path, error, line=number + 1) from None
    if rest:
        yield number + 1, rest


def _open(path: Path) -> BinaryIO:
    match path.suffix.lower():
        case ".gz":
            return cast("BinaryIO", io.BufferedReader(gzip.open(path, "rb")))  # by lines, much faster than itself
        case ".bz2":
            return cast("BinaryIO", io.BufferedReader(bz2.open(path, "rb")))
        case ".xz":
            return cast("BinaryIO", io.BufferedReader(lzma.open(path, "rb")))
        case ".zst":  # Arrow has Zstandard, the standard library of Python 3.11 has not
            return cast("BinaryIO", io.BufferedReader(pa.input_stream(str(path), compression="zstd")))
        case _:
            return path.open("rb")


def _unreadable(path: Path, error: Exception, *, line: int | None = None) -> SourceError:
    if path.suffix.lower() not in COMPRESSIONS:
        return SourceError(f"expected a readable file, got: {error}", path=path)
    message = f"expected a whole {path.suffix} file, got one that is truncated or damaged here: {error}"
    return SourceError(message, path=path, line=line)


def decoded_line(line: bytes, path: Path, number: int) -> str:
    """A line as text. Raises `SourceError` where it is not UTF-8."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"expected UTF-8, got the byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line"
        raise SourceError(message, path=path, line=number) from None
