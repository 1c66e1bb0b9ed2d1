"""Which files an input means: a file, a folder with all below it, or a glob; and how they are named and opened."""

from __future__ import annotations

import glob
import io
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from linker.bulk.source import Columns, Part
from linker.errors import InvalidInput

_COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
_BUFFER = 1 << 20


def files_of(inputs: Sequence[str], suffixes: Sequence[str] = ()) -> tuple[Path, ...]:
    """The files meant, absolute, in order of their names.

    suffixes: of the files taken of a folder, also where these are compressed; none takes every file. Files and folders
    below it whose names begin with a dot or an underscore are passed over, as Spark does. Raises `InvalidInput`.
    """
    found: dict[Path, None] = {}
    for given in inputs:
        matches = [given] if Path(given).exists() else sorted(glob.glob(given, recursive=True))  # noqa: PTH207 - absolute ones
        if not matches:
            raise InvalidInput("no such file or folder, and no file matches it as a glob", field=given)
        before = len(found)
        for match in map(Path, matches):
            found |= dict.fromkeys(_below(match, suffixes) if match.is_dir() else [match.absolute()])
        if len(found) == before:
            wanted = f"a file that ends in {' or '.join(suffixes)}" if suffixes else "a file"
            raise InvalidInput(f"expected {wanted}, found none that was not given already", field=given)
    return tuple(found)


def _below(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    files: list[Path] = []
    for place, folders, names in os.walk(folder.absolute()):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        shown = (name for name in names if not name.startswith((".", "_")))
        files += [Path(place, name) for name in shown if not suffixes or suffix_of(name) in suffixes]
    return sorted(files)


def suffix_of(name: str) -> str:
    """The suffix that tells the format.

    >>> suffix_of("notes.JSONL.gz"), suffix_of("notes")
    ('.jsonl', '')
    """
    path = Path(name.lower())
    return Path(path.stem).suffix if path.suffix in _COMPRESSED else path.suffix


def file_part(file: Path, notes: int | None = None) -> Part:
    """A file as a part of its source. Raises `InvalidInput`."""
    try:
        status = file.stat()
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}", field=str(file)) from error
    return Part(str(file), f"{status.st_size} bytes, mtime {status.st_mtime_ns}", notes)


def open_bytes(file: Path) -> io.BufferedReader:
    """The bytes of a file, decompressed where its name says that it is compressed. Raises `InvalidInput`."""
    try:
        return io.BufferedReader(pa.input_stream(str(file), compression="detect", buffer_size=_BUFFER), _BUFFER)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "not what its name says"
        raise InvalidInput(f"cannot be read: {reason}", field=str(file)) from error


def folder_values(file: Path) -> dict[str, str]:
    """What the folders of a partitioned data set say of the rows of a file, in the manner of Hive.

    >>> folder_values(Path("/notes/year=2024/ward=A%2F1/part-0.parquet"))
    {'year': '2024', 'ward': 'A/1'}
    """
    pairs = (place.split("=", 1) for place in file.parts[:-1] if "=" in place)
    return {key: unquote(value) for key, value in pairs}


def check_columns(columns: Columns, found: Collection[str], file: Path) -> None:
    """Raise `InvalidInput` where a file has not all the columns that are wanted of it."""
    for name in (columns.note_id, columns.text, *columns.others.values()):
        if name not in found:
            there = ", ".join(found) or "none"
            options = "--note-id, --text, --keep and --spans-column"
            message = f"expected the column {name!r}; has {there}. Say which is which with {options}"
            raise InvalidInput(message, field=str(file))
