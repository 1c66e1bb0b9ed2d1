"""Tab-separated values whose first row names the columns, after any number of comment lines that begin with `#`.

Spreadsheets quote a cell that holds a quote ("" inside), editors do not: a cell is unquoted where all of it is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.files import read_lines
from ontologies.readers.options import Options

Row = dict[str, str]
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


@dataclass(frozen=True, slots=True)
class HeadedTable:
    """An open table. comments: its leading comment lines, as they are. rows: lazily, with their lines."""

    comments: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Iterator[tuple[int, Row]]


def first_row(head: bytes) -> tuple[str, ...]:
    """The names in the first row of a table that begins so; none where it begins with more comments than that."""
    lines = head.decode("utf-8", errors="replace").split("\n")
    row = next((line for line in lines if not line.startswith("#")), "")
    return tuple(_cells(row))


def open_headed_tsv(path: Path, required: Iterable[str], options: Options) -> HeadedTable:
    """The table, its header read. Raises `SourceError` where a required column is missing or one is there twice.

    A row of another width is a problem of `options`.
    """
    comments: list[str] = []
    for number, line in read_lines(path):
        if not line.startswith("#"):
            columns = tuple(_cells(line))
            _check(path, number, columns, required)
            return HeadedTable(tuple(comments), columns, _rows(path, number, columns, options))
        comments.append(line)
    raise SourceError("expected a header row, got none", path=path)


def _check(path: Path, line: int, columns: tuple[str, ...], required: Iterable[str]) -> None:
    for name in required:
        if name not in columns:
            came = ", ".join(columns)[:200]
            message = f"expected this column in a tab-separated header, got {came!r}"
            raise SourceError(message, path=path, line=line, field=name)
    for place, name in enumerate(columns):
        if name and name in columns[:place]:
            raise SourceError("expected each column once, got it twice", path=path, line=line, field=name)


def _rows(path: Path, header: int, columns: tuple[str, ...], options: Options) -> Iterator[tuple[int, Row]]:
    for number, line in read_lines(path):
        if number <= header or not line.strip():
            continue
        cells = _cells(line)
        if len(cells) == len(columns):
            yield number, dict(zip(columns, cells, strict=True))
        else:
            message = f"expected {len(columns)} tab-separated cells, got {len(cells)}"
            options.problems.found("rows of another width", SourceError(message, path=path, line=number))


def _cells(line: str) -> list[str]:
    return [_unquoted(cell.strip()) for cell in line.rstrip("\r\n").split("\t")]


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if _QUOTED.fullmatch(cell) else cell
