"""Notes as CSV (RFC 4180), in UTF-8, with a header. All values are text: an id of 007 stays one.

Fields are separated by a comma, a tab, a semicolon or a bar, whichever the header is. Line breaks stand in quotes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, ClassVar

from linker.bulk.files import HAS_NULS, check_columns, folder_values, open_bytes
from linker.bulk.rows import ERROR, NOTE_ID, TEXT, RowError
from linker.bulk.sources.tabular import TabularSource
from linker.errors import InvalidInput

SUFFIXES = (".csv", ".tsv")
LONGEST = 1 << 25  # characters of a field; a note has 10 million at most
MARK = "\ufeff"  # of bytes in order, as Excel begins UTF-8
_SEPARATORS = ",\t;|"
_CUT_OFF = f"cannot be read further: a quote left open, a field over {LONGEST:,} characters, or a file that was cut off"


@dataclass(frozen=True, slots=True)
class CsvSource(TabularSource):
    """CSV files. A row with more or fewer fields than the header is `malformed`, with `FILE:LINE` for an id."""

    suffixes: ClassVar = SUFFIXES

    def rows(self, file: Path) -> Iterator[dict[str, object]]:
        """See `TabularSource`."""
        folders = folder_values(file)
        with open_bytes(file) as stream:
            _, records = records_of(stream, file)
            _, header = next(records, (1, []))
            check_columns(self.columns, [*folders, *header], file)
            for line, values in records:
                if len(values) == len(header):
                    yield self._row(folders | dict(zip(header, values, strict=True)))
                elif values:
                    yield {NOTE_ID: f"{file.name}:{line}", ERROR: RowError.MALFORMED}

    def _row(self, row: dict[str, str]) -> dict[str, object]:
        return {
            NOTE_ID: _bytes(row[self.columns.note_id]).decode(errors="replace"),
            TEXT: _bytes(row[self.columns.text]),
            **{name: _bytes(row[place]).decode(errors="replace") for name, place in self.columns.others.items()},
        }


def records_of(stream: BinaryIO, file: Path) -> tuple[str, Iterator[tuple[int, list[str]]]]:
    """The first line of a file, and all its records, the header first, each with the line it begins at.

    Bytes that are no UTF-8 come through as they are. Raises `InvalidInput`, and so do the records.
    """
    csv.field_size_limit(LONGEST)
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline="")
    try:
        first = text.readline(LONGEST)
    except OSError as error:
        raise InvalidInput(_CUT_OFF, field=f"{file}:1") from error
    if "\0" in first:
        raise InvalidInput(HAS_NULS, field=str(file))
    return first, _records(chain([first.removeprefix(MARK)], text), separator_of(first), file)


def _records(lines: Iterable[str], separator: str, file: Path) -> Iterator[tuple[int, list[str]]]:
    reader, line = csv.reader(lines, delimiter=separator), 1
    try:
        for values in reader:
            yield line, values
            line = reader.line_num + 1
    except (csv.Error, OSError) as error:
        raise InvalidInput(_CUT_OFF, field=f"{file}:{line}") from error


def separator_of(first: str) -> str:
    """What separates the fields of a file with this first line."""
    return max(_SEPARATORS, key=first.count)


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
