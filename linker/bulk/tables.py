"""A table as a user has it, CSV, Parquet or XLSX: one column read, and the whole written again with more columns.

Every row is kept, in its order, with its values as they are: those of CSV byte for byte, those of Parquet with their
types.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from linker.bulk.excel import SUFFIXES as EXCEL
from linker.bulk.excel import read_sheet, write_sheet
from linker.bulk.files import open_bytes, suffix_of
from linker.bulk.sources.csv import MARK, records_of, separator_of
from linker.bulk.sources.csv import SUFFIXES as CSV
from linker.bulk.sources.parquet import SUFFIXES as PARQUET
from linker.bulk.sources.parquet import parquet_file
from linker.errors import InvalidInput

Value = str | None
More = Callable[[Value], Mapping[str, Any]]  # of a value in the column, those of the columns that are added
_ROWS = 4096


class Table(Protocol):
    """A file. Sent to other processes as the few values it is made of."""

    @property
    def file(self) -> Path:
        """Where it is."""

    def columns(self) -> list[str]:
        """Their names. Raises `InvalidInput`."""

    def values(self, column: str) -> Iterator[Value]:
        """The text in a column of each row; None where there is none. Raises `InvalidInput`."""

    def write(self, target: Path, column: str, more: pa.Schema, values: More) -> None:
        """All rows with `more` columns behind. Raises `InvalidInput` and OSError."""


def open_table(file: Path) -> Table:
    """The table in a file, by its suffix. Raises `InvalidInput`."""
    formats: dict[str, Callable[[Path], Table]] = {
        **dict.fromkeys(CSV, CsvTable),
        **dict.fromkeys(PARQUET, ParquetTable),
        **dict.fromkeys(EXCEL, ExcelTable),
    }
    if not file.is_file():
        raise InvalidInput("expected a table: no such file", field=str(file))
    if (suffix := suffix_of(file.name)) not in formats:
        raise InvalidInput(f"expected a table that ends in {', '.join(formats)}", field=str(file))
    return formats[suffix](file)


@dataclass(frozen=True, slots=True)
class CsvTable:
    """CSV with a header. Bytes that are no UTF-8 stay as they are, and so do the separator and the byte order mark."""

    file: Path

    def columns(self) -> list[str]:
        """See `Table`."""
        with self._opened() as (_, rows):
            return next(rows)

    def values(self, column: str) -> Iterator[Value]:
        """See `Table`."""
        with self._opened() as (_, rows):
            place = next(rows).index(column)
            yield from (row[place] for row in rows)

    def write(self, target: Path, column: str, more: pa.Schema, values: More) -> None:
        """See `Table`."""
        with (
            self._opened() as (first, rows),
            target.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out,
        ):
            out.write(MARK if first.startswith(MARK) else "")
            writer = csv.writer(out, delimiter=separator_of(first), lineterminator="\n")
            header = next(rows)
            writer.writerow([*header, *more.names])
            place = header.index(column)
            for row in rows:
                found = values(row[place])
                writer.writerow([*row, *(found.get(name) for name in more.names)])

    @contextmanager
    def _opened(self) -> Iterator[tuple[str, Iterator[list[str]]]]:
        """The first line, and all rows, the header first."""
        with open_bytes(self.file) as stream:
            first, records = records_of(stream, self.file)
            yield first, self._rows(records)

    def _rows(self, records: Iterator[tuple[int, list[str]]]) -> Iterator[list[str]]:
        width = 0
        for line, row in records:
            width = width or len(row)
            if len(row) == width or (width == 1 and not row):  # a line with nothing in it is a value, too
                yield row or [""]
            elif row:
                message = f"expected {width} fields as in the header, got {len(row)}; is something to be quoted?"
                raise InvalidInput(message, field=f"{self.file}:{line}")
        if not width:
            raise InvalidInput("expected a header, got an empty file", field=str(self.file))


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """Parquet. A column of anything but text is read as text."""

    file: Path

    def columns(self) -> list[str]:
        """See `Table`."""
        with parquet_file(self.file) as file:
            names: list[str] = file.schema_arrow.names
        return names

    def values(self, column: str) -> Iterator[Value]:
        """See `Table`."""
        with parquet_file(self.file) as file:
            for batch in file.iter_batches(_ROWS, columns=[column]):
                yield from _texts(batch.column(0))

    def write(self, target: Path, column: str, more: pa.Schema, values: More) -> None:
        """See `Table`."""
        with parquet_file(self.file) as file:
            schema = file.schema_arrow
            for field in more:
                schema = schema.append(field)
            with pq.ParquetWriter(target, schema, compression="zstd") as writer:
                for batch in file.iter_batches(_ROWS):
                    found = [values(text) for text in _texts(batch.column(column))]
                    added = [pa.array([each.get(field.name) for each in found], field.type) for field in more]
                    writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *added], schema=schema))


def _texts(values: pa.Array) -> list[Value]:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    texts: list[Value] = values.cast(pa.string()).to_pylist()
    return texts


@dataclass(frozen=True, slots=True)
class ExcelTable:
    """The first sheet of a workbook, its first row the header. Formulas are read and written as their values."""

    file: Path

    def columns(self) -> list[str]:
        """See `Table`."""
        return next(self._rows())

    def values(self, column: str) -> Iterator[Value]:
        """See `Table`."""
        rows = self._rows()
        place = next(rows).index(column)
        yield from (None if row[place] is None else str(row[place]) for row in rows)

    def write(self, target: Path, column: str, more: pa.Schema, values: More) -> None:
        """See `Table`."""
        rows = self._rows()
        header = next(rows)
        place = header.index(column)

        def extended() -> Iterator[list[Any]]:
            yield [*header, *more.names]
            for row in rows:
                found = values(None if row[place] is None else str(row[place]))
                yield [*row, *(found.get(name) for name in more.names)]

        write_sheet(target, extended())

    def _rows(self) -> Iterator[list[Any]]:
        rows = read_sheet(self.file)
        header = ["" if name is None else str(name) for name in next(rows, [])]
        if not header:
            raise InvalidInput("expected a header, got an empty sheet", field=str(self.file))
        yield header
        for row in rows:
            yield (row + [None] * len(header))[: len(header)]
