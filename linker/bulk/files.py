"""Which files an input means: a file, a folder with all below it, or a glob; and how they are named and opened."""

from __future__ import annotations

import glob
import io
import os
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa

from linker.bulk.source import Columns, Part
from linker.errors import InvalidInput

HAS_NULS = "expected text in UTF-8, found NULs in its first line; if it is UTF-16, save it as UTF-8"
_COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")
_NOT_READ = (".xz", ".zip", ".7z")
_BUFFER = 1 << 20
_NAME = re.compile(r"[^\W\d][\w .:/()#%&+*-]{0,39}|")
_WORDS = 3  # of the name of a column at most
_TOLD = 40  # columns


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
        files = [file for match in map(Path, matches) for file in _files_at(match, suffixes)]
        if not files:
            wanted = f"files that end in {' or '.join(suffixes)}" if suffixes else "files"
            hint = "; --from says another format" if suffixes else ""
            raise InvalidInput(f"expected {wanted} below it, found none{hint}", field=given)
        found |= dict.fromkeys(files)
    return tuple(found)


def _files_at(path: Path, suffixes: Sequence[str]) -> list[Path]:
    """A file as it is; of a folder, those below it."""
    return _below(path, suffixes) if path.is_dir() else [path.absolute()]


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
    seconds, ns = divmod(status.st_mtime_ns, 10**9)
    changed = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{ns:09d}"
    return Part(str(file), f"{status.st_size:,} bytes, changed {changed} UTC", notes)


def open_bytes(file: Path) -> io.BufferedReader:
    """The bytes of a file, decompressed where its name says that it is compressed. Raises `InvalidInput`."""
    if file.suffix.lower() in _NOT_READ:
        message = f"{file.suffix} is not read; unpack it, or compress it as {', '.join(_COMPRESSED)}"
        raise InvalidInput(message, field=str(file))
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
            options = "--note-id, --text, --keep and --spans-column"
            message = f"expected the column {name!r}; has {told_columns(found)}. Say which is which with {options}"
            raise InvalidInput(message, field=str(file))


def told_columns(names: Collection[str]) -> str:
    """What columns there are, for a message; where they may be the words of a note, none of them.

    >>> told_columns(["id", "Text (en)"]), told_columns(["1", "No chest pain since Friday."]), told_columns(["Fever"])
    ('id, Text (en)', 'what may be no header', 'what may be no header')
    """
    if not names:
        return "none"
    if len(names) == 1 or not all(_NAME.fullmatch(name) and len(name.split()) <= _WORDS for name in names):
        return "what may be no header"
    more = f" and {len(names) - _TOLD:,} more" if len(names) > _TOLD else ""
    return ", ".join(islice(names, _TOLD)) + more
