"""Notes as the table NOTE of the OMOP Common Data Model, in Parquet or CSV.

Fields: https://ohdsi.github.io/CommonDataModel/cdm54.html#note. All columns are in small letters or all in capitals, as
databases write them; notes have theirs in small letters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from linker.bulk.files import files_of, suffix_of
from linker.bulk.source import Columns, Part
from linker.bulk.sources import csv, parquet
from linker.errors import InvalidInput

NOTE_ID, TEXT = "note_id", "note_text"
KEPT = ("person_id", "note_date", "visit_occurrence_id")  # unless others are asked for


@dataclass(frozen=True, slots=True)
class OmopSource:
    """The table in files of one format."""

    table: csv.CsvSource | parquet.ParquetSource

    @classmethod
    def of(cls, inputs: Sequence[str], columns: Columns) -> OmopSource:
        """The files that `inputs` mean. Raises `InvalidInput`."""
        files = files_of(inputs, (*parquet.SUFFIXES, *csv.SUFFIXES))
        formats = {suffix_of(file.name) in parquet.SUFFIXES for file in files}
        if len(formats) > 1:
            raise InvalidInput("expected Parquet or CSV, found both; give one of them as a glob", field=inputs[0])
        source = parquet.ParquetSource if formats.pop() else csv.CsvSource
        wanted = of_note(columns)
        for spelled in (wanted, _capitals(wanted)):
            table = source(files, spelled)
            try:
                next(table.read(table.parts()[0]), None)
            except InvalidInput:
                continue
            return cls(table)
        return cls(source(files, wanted))

    @property
    def columns(self) -> Columns:
        """See `Source`: spelled as in the files."""
        return self.table.columns

    @property
    def schema(self) -> pa.Schema:
        """See `Source`."""
        stored = self.table.schema
        return pa.schema([field.with_name(field.name.lower()) for field in stored])

    def parts(self) -> Sequence[Part]:
        """See `Source`: one for each file."""
        return self.table.parts()

    def read(self, part: Part) -> Iterator[pa.RecordBatch]:
        """See `Source`."""
        for batch in self.table.read(part):
            yield batch.rename_columns([name.lower() for name in batch.schema.names])


def of_note(columns: Columns) -> Columns:
    """Where the table has what, but for what is asked for."""
    text = TEXT if columns.text == Columns().text else columns.text
    return replace(columns, text=text, keep=columns.keep or KEPT)


def _capitals(columns: Columns) -> Columns:
    keep, spans = tuple(map(str.upper, columns.keep)), columns.spans and columns.spans.upper()
    return Columns(columns.note_id.upper(), columns.text.upper(), keep, spans)
