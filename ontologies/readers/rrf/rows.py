"""Rich Release Format: the rows of a UMLS or RxNorm file, and where in a folder the files of a release are.

Format: UMLS Reference Manual, chapter 3, "Metathesaurus - Rich Release Format (RRF)",
https://www.ncbi.nlm.nih.gov/books/NBK9685/. One row a line, a `|` after each field (some exports leave the last one
out), UTF-8, no header, no quoting. Fields are kept as bytes: of 16 million rows most are split and not wanted.
"""

from __future__ import annotations

import glob
import mmap
import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from ontologies.errors import SourceError
from ontologies.readers.files import BOM, COMPRESSIONS, read_raw_lines
from ontologies.readers.options import Problems

NOT_UTF8 = "text that is not UTF-8"  # what is left out for that is counted under this name

Line = tuple[int, bytes]
Row = tuple[int, list[bytes]]

# The Metathesaurus's full release has its large files in parts, MRCONSO.RRF.aa.gz and .ab.gz
_FIRST_PART = ".aa"
_PART = re.compile(r"(?P<whole>.+\.RRF)\.aa(?P<compressed>\.\w+)?", re.IGNORECASE)

# RxNorm's full release holds, beside its own files, a subset of them for prescribing
_SUBSET = "prescribe"


def columns(names: str) -> tuple[str, ...]:
    """Column names as the manual lists them, which is how `rows` takes them.

    >>> columns("CUI TUI")
    ('CUI', 'TUI')
    """
    return tuple(names.split())


def release_files(folder: Path, name: str) -> list[Path]:
    """Files called `name`, plain or compressed or the first of several parts, in `folder` and below it."""
    found = [path for spelled in _spellings(name) for path in folder.rglob(spelled) if path.is_file()]
    whole = [path for path in found if _SUBSET not in path.relative_to(folder).parts]
    return sorted(whole or found)


def release_file(path: Path, name: str) -> Path:
    """The one file called `name` of a release: `path` itself, or in that folder and below it.

    Raises `SourceError` where there is none, or several, as of two versions of a release.
    """
    if path.is_file():
        return path
    found = release_files(path, name)
    if len(found) == 1:
        return found[0]
    came = ", ".join(str(file.relative_to(path)) for file in found) or "none"
    message = f"expected the files of one release, with one {name} (or that file itself), got {came}"
    raise SourceError(message, path=path)


def holds(path: Path, head: bytes, name: str, first_row: re.Pattern[bytes]) -> bool:
    """Whether `path` is a folder with a file called `name`, or a file of such rows."""
    if path.is_dir():
        return bool(release_files(path, name))
    return first_row.match(head) is not None


def sibling(path: Path, name: str) -> Path | None:
    """The file called `name`, plain or compressed or the first of several parts, beside `path`."""
    candidates = (path.with_name(spelled) for spelled in _spellings(name))
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def _spellings(name: str) -> list[str]:
    return [f"{name}{part}{ending}" for part in ("", _FIRST_PART) for ending in ("", *COMPRESSIONS)]


def parts(path: Path) -> list[Path]:
    """The files that make up the one at `path`: itself, or where it is the first of several parts all of them."""
    first = _PART.fullmatch(path.name)
    if first is None:
        return [path]
    ending = first["compressed"] or ""
    found = path.parent.glob(f"{glob.escape(first['whole'])}.[a-z][a-z]{glob.escape(ending)}")
    return sorted(found)


def rows(
    path: Path, columns: tuple[str, ...], problems: Problems, lines: Iterable[Line] | None = None
) -> Iterator[Row]:
    """The fields of each row of `path` with its line. lines: of the file in another order.

    Raises `SourceError` where the first row has other columns; later ones are a problem each.
    """
    width = 0
    for number, line in lines or read_raw_lines(*parts(path)):
        fields = line.rstrip(b"\r\n").split(b"|")
        if len(fields) != width or (fields[-1] and width > len(columns)):
            if fields == [b""]:
                continue
            expected = f"expected {len(columns)} columns separated by | ({', '.join(columns)}), got {_came(fields)}"
            error = SourceError(expected, path=path, line=number)
            if width:
                problems.found("row with the wrong number of columns", error)
                continue
            width = len(fields)
            if width - len(columns) not in (0, 1) or (width > len(columns) and fields[-1]):
                raise error
        yield number, fields


def text(fields: list[bytes], column: int, columns: tuple[str, ...], path: Path, number: int) -> str:
    """A field as text. Raises `SourceError` where it is not UTF-8."""
    return decoded(fields[column], path, number, columns[column])


def decoded(raw: bytes, path: Path, line: int, field: str) -> str:
    """Bytes of a field as text. Raises `SourceError` where they are not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        came = f"the byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the field"
        raise SourceError(f"expected UTF-8, got {came}", path=path, line=line, field=field) from None


def sorted_lines(path: Path, key: Callable[[bytes], int]) -> Iterator[Line]:
    """The lines of an uncompressed file in the order of `key`, and else as they are; 24 bytes of memory a line."""
    keys, ends = array("Q"), array("Q", [0])
    with path.open("rb") as handle:
        for line in handle:
            keys.append(key(line))
            ends.append(ends[-1] + len(line))
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for row in np.argsort(np.frombuffer(keys, dtype=np.uint64), kind="stable").tolist():
                line = content[ends[row] : ends[row + 1]]
                yield row + 1, line if row else line.removeprefix(BOM)


def _came(fields: list[bytes]) -> str:
    if len(fields) > 1:
        return str(len(fields) - (not fields[-1]))
    return f"no | in {fields[0][:60].decode(errors='replace')!r}"
