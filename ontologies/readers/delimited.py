"""Rows of a text table: tab-separated without quoting (IANA text/tab-separated-values), or CSV (RFC 4180)."""

from __future__ import annotations

import csv
from collections.abc import Generator
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.files import decoded_line, read_lines, read_raw_lines, uncompressed_name
from ontologies.readers.options import Problems

Row = tuple[int, list[str]]


def delimited_rows(path: Path, problems: Problems | None = None) -> Generator[Row, None, None]:
    """Cells of each row that is not blank, with the line the row begins on.

    problems: told of lines that are not UTF-8, where a line is a row; else each is an error.
    """
    is_csv = uncompressed_name(path).lower().endswith(".csv")
    return _csv_rows(path) if is_csv else _tsv_rows(path, problems or Problems())


def _tsv_rows(path: Path, problems: Problems) -> Generator[Row, None, None]:
    for number, line in read_raw_lines(path):
        try:
            text = decoded_line(line, path, number).removesuffix("\n").removesuffix("\r")
        except SourceError as error:
            problems.found("rows that are not UTF-8", error)
        else:
            if text:
                yield number, text.split("\t")


def _csv_rows(path: Path) -> Generator[Row, None, None]:
    lines = _QuoteWatch(path)
    reader = csv.reader(lines, strict=True)
    while True:
        lines.begin_row()
        begin = lines.number + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise lines.explain(error) from None
        if cells is None:
            return
        if cells:
            yield begin, cells


class _QuoteWatch:
    """The lines of a CSV file, remembering on which of them the quote that is still open was opened.

    The csv module says only where it gave up: at the end of the file, or after 131,072 characters of one field.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = read_lines(path)
        self._opened: int | None = None
        self.number = 0

    def begin_row(self) -> None:
        self._opened = None

    def __iter__(self) -> _QuoteWatch:
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        quotes = line.replace('""', "").count('"')  # a doubled quote is a quote in the text, or an empty field
        is_open = (self._opened is not None) ^ (quotes % 2 == 1)
        if not is_open:
            self._opened = None
        elif quotes or self._opened is None:
            self._opened = self.number
        return line

    def explain(self, error: csv.Error) -> SourceError:
        if self._opened is None:
            return SourceError(f"expected CSV after RFC 4180, got: {error}", path=self._path, line=self.number)
        message = f"expected a closing quote for the one opened on this line, got none by line {self.number}"
        return SourceError(message, path=self._path, line=self._opened)
