"""Notes as CSV (RFC 4180), in UTF-8, with a header. All values are text: an id of 007 stays one.

Fields are separated by a comma, a tab, a semicolon or a bar, whichever the header is. Line breaks stand in quotes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from linker.bulk.files import check_columns, file_part, files_of, folder_values, open_bytes
from linker.bulk.rows import ERROR, NOTE_ID, TEXT, RowError, batches_of, input_schema
from linker.bulk.source import Columns, Part
from linker.errors import InvalidInput

SUFFIXES = (".csv", ".tsv")
LONGEST = 1 << 25  # characters of a field; a note has 10 million at most
SEPARATORS = ",\t;|"


@dataclass(frozen=True, slots=True)
class CsvSource:
    """CSV files, plain or compressed. Folders of a partitioned data set have values as columns do."""

    files: tuple[Path, ...]
    columns: Columns

    @classmethod
    def of(cls, inputs: Sequence[str], columns: Columns) -> CsvSource:
        """The files that `inputs` mean. Raises `InvalidInput`."""
        return cls(files_of(inputs, SUFFIXES), columns)

    @property
    def schema(self) -> pa.Schema:
        """See `Source`."""
        return input_schema([pa.field(name, pa.string()) for name in self.columns.keep])

    def parts(self) -> list[Part]:
        """See `Source`: one for each file."""
        return [file_part(file) for file in self.files]

    def read(self, part: Part) -> Iterator[pa.RecordBatch]:
        """See `Source`. A row with more or fewer fields than the header is `malformed`, with `FILE:LINE` for an id."""
        return batches_of(self._rows(Path(part.name)), self.schema)

    def _rows(self, file: Path) -> Iterator[dict[str, object]]:
        folders = folder_values(file)
        csv.field_size_limit(LONGEST)
        with open_bytes(file) as stream:
            # Bytes that are no UTF-8 come through as they are, for the annotator to tell.
            text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
            first = text.readline(LONGEST)
            separator = max(SEPARATORS, key=first.count)
            header = next(csv.reader([first], delimiter=separator), [])
            check_columns(self.columns, [*folders, *header], file)
            records = csv.reader(text, delimiter=separator)
            try:
                for values in records:
                    if len(values) == len(header):
                        yield self._row(folders | dict(zip(header, values, strict=True)))
                    elif values:
                        yield {NOTE_ID: f"{file.name}:{records.line_num + 1}", ERROR: RowError.MALFORMED}
            except (csv.Error, OSError) as error:
                message = (
                    f"cannot be read further: a quote that is not closed, a field over {LONGEST:,} characters, or "
                )
                message += "a compressed file that was cut off"
                raise InvalidInput(message, field=f"{file}:{records.line_num + 1}") from error

    def _row(self, row: dict[str, str]) -> dict[str, object]:
        return {
            NOTE_ID: _bytes(row[self.columns.note_id]).decode(errors="replace"),
            TEXT: _bytes(row[self.columns.text]),
            **{name: _bytes(row[name]).decode(errors="replace") for name in self.columns.keep},
        }


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
