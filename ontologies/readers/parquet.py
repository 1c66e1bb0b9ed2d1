"""Rows of a Parquet table of strings, read a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ontologies.errors import SourceError
from ontologies.readers.delimited import Row
from ontologies.readers.files import check_file

MAGIC = b"PAR1"
_BATCH_ROWS = 8192
_BROKEN = (pa.ArrowException, OSError)


def parquet_columns(path: Path) -> list[str]:
    """Names of the table's columns; every one holds strings."""
    check_file(path)
    try:
        with pq.ParquetFile(path) as table:
            schema = table.schema_arrow
    except _BROKEN as error:
        raise _broken(path, error) from None
    for column in schema:
        if not _holds_strings(column.type):
            raise SourceError(f"expected a column of strings, got {column.type}", path=path, field=column.name)
    return list(schema.names)


def parquet_rows(path: Path, *, columns: Sequence[str]) -> Iterator[Row]:
    """Cells of each row with its 1-based number; a missing value is an empty cell."""
    number = 0
    try:
        with pq.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns)):
                first = number + 1
                cells = [_strings(batch.column(name), path=path, first=first, field=name) for name in columns]
                for number, row in enumerate(zip(*cells, strict=True), start=first):
                    yield number, list(row)
    except _BROKEN as error:
        raise _broken(path, error, line=number + 1) from None


def _holds_strings(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _holds_strings(kind.value_type)
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null))


def _strings(values: pa.Array, *, path: Path, first: int, field: str) -> list[str]:
    """The column's values. pyarrow does not check a file's strings until they are read."""
    try:
        return [value or "" for value in values.to_pylist()]
    except UnicodeDecodeError:
        for line, value in enumerate(values, start=first):
            try:
                value.as_py()
            except UnicodeDecodeError as error:
                message = f"expected UTF-8, got the byte 0x{error.object[error.start]:02x}"
                raise SourceError(message, path=path, line=line, field=field) from None
        raise


def _broken(path: Path, error: Exception, *, line: int | None = None) -> SourceError:
    return SourceError(f"expected a whole Parquet file, got one that does not open: {error}", path=path, line=line)
