"""Which formats there are, by the names that `linker bulk` knows them by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from linker.bulk.files import files_of, suffix_of
from linker.bulk.rows import ELAPSED, ERROR, MENTIONS, NOTE_ID, SPANS, TEXT
from linker.bulk.sink import Sink
from linker.bulk.sinks.brat import BratSink
from linker.bulk.sinks.fhir import FhirSink
from linker.bulk.sinks.jsonlines import JsonLinesSink
from linker.bulk.sinks.omop import NoteNlpSink
from linker.bulk.sinks.parquet import ParquetSink
from linker.bulk.source import Columns, Source
from linker.bulk.sources import csv, database, fhir, jsonlines, omop, parquet, text
from linker.errors import InvalidInput

SOURCES: dict[str, Callable[[Sequence[str], Columns], Source]] = {
    "csv": csv.CsvSource.of,
    "database": database.DatabaseSource.of,
    "fhir": fhir.FhirSource.of,
    "jsonl": jsonlines.JsonLinesSource.of,
    "omop": omop.OmopSource.of,
    "parquet": parquet.ParquetSource.of,
    "text": text.TextSource.of,
}
SINKS: dict[str, type[Sink]] = {
    "brat": BratSink,
    "fhir": FhirSink,
    "jsonl": JsonLinesSink,
    "omop": NoteNlpSink,
    "parquet": ParquetSink,
}
_RESERVED = frozenset({NOTE_ID, TEXT, SPANS, ERROR, ELAPSED, MENTIONS})
# Formats that the name of a file tells.
_SUFFIXES = {
    **dict.fromkeys(csv.SUFFIXES, "csv"),
    **dict.fromkeys(jsonlines.SUFFIXES, "jsonl"),
    **dict.fromkeys(parquet.SUFFIXES, "parquet"),
    **dict.fromkeys(text.SUFFIXES, "text"),
}


def open_source(inputs: Sequence[str], columns: Columns, *, format: str | None = None) -> Source:  # noqa: A002
    """The notes of `inputs`. format: of `SOURCES`; None goes by the names of the files. Raises `InvalidInput`."""
    if reserved := sorted(_RESERVED & {*columns.keep}):
        raise InvalidInput(f"{reserved[0]!r} is no column to keep: the job has one of that name", field="--keep")
    is_url = any("://" in given for given in inputs)  # which may have a password: it is never told as a file would be
    known = "database" if is_url else format or _format_of(inputs)
    if known not in SOURCES:
        raise InvalidInput(f"expected one of {', '.join(SOURCES)}, got {known!r}", field="--from")
    return SOURCES[known](inputs, columns)


def _format_of(inputs: Sequence[str]) -> str:
    formats = {_SUFFIXES[suffix] for file in files_of(inputs) if (suffix := suffix_of(file.name)) in _SUFFIXES}
    if len(formats) != 1:
        what = f"several ({', '.join(sorted(formats))})" if formats else f"no file that ends in {', '.join(_SUFFIXES)}"
        raise InvalidInput(f"expected files of one format, found {what}; say which with --from", field=inputs[0])
    return formats.pop()
