"""The neutral source on disk: a folder of Parquet tables and the releases they came from.

    concepts.parquet  concept_id, semantic_types list<string>, definition, parents list<string>, retired bool
    names.parquet     concept_id, name, language, term_type, source
    codes.parquet     concept_id, system, code, relation, source, confidence float
    replacements.parquet  concept_id, replaced_by, relation
    releases.json     a list of objects with the fields of `ontologies.records.Release`

Whoever can write Parquet can hand over an ontology in this form. The table of replacements may be absent, and so may
the columns `retired`, `definition`, `relation`, `confidence` and `source` (the release a row comes from). The line of a
record that was read from here is its row, counted from 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ontologies.errors import SourceError
from ontologies.readers.json_file import json_array, json_object, read_json
from ontologies.records import Code, Concept, Name, Record, Release, Replacement, Source, TermType

_TEXTS = pa.list_(pa.string())
CONCEPTS = pa.schema(
    [
        ("concept_id", pa.string()),
        ("semantic_types", _TEXTS),
        ("definition", pa.string()),
        ("parents", _TEXTS),
        ("retired", pa.bool_()),
    ]
)
NAMES = pa.schema([(column, pa.string()) for column in ("concept_id", "name", "language", "term_type", "source")])
CODES = pa.schema(
    [
        *((column, pa.string()) for column in ("concept_id", "system", "code", "relation", "source")),
        ("confidence", pa.float64()),
    ]
)
REPLACEMENTS = pa.schema([(column, pa.string()) for column in ("concept_id", "replaced_by", "relation")])
_SCHEMAS = {
    "concepts.parquet": CONCEPTS,
    "names.parquet": NAMES,
    "codes.parquet": CODES,
    "replacements.parquet": REPLACEMENTS,
}
_OPTIONAL_TABLE = "replacements.parquet"
_OPTIONAL = {"retired", "definition", "relation", "source", "confidence"}
_TERM_TYPES = {term_type.value: term_type for term_type in TermType}
_RELEASES = "releases.json"

Row = dict[str, Any]


def read_tables(path: str | PathLike[str]) -> Source:
    """The source in the folder `path`. Its columns are checked at once, its rows as they are read."""
    folder = Path(path)
    tables = {
        name: _open(folder / name, schema)
        for name, schema in _SCHEMAS.items()
        if name != _OPTIONAL_TABLE or (folder / name).exists()
    }
    return Source(path=str(path), releases=_releases(folder / _RELEASES), records=_Rows(folder, tables))


def write_tables(path: str | PathLike[str], source: Source) -> None:
    """Write `source` as a folder of tables: the same records give the same bytes under the same pyarrow.

    Rows are sorted by concept id; within a concept they keep the source's order, where its first preferred name counts.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[Row]] = {name: [] for name in _SCHEMAS}
    for record in source.records:
        rows[_table_of(record)].append({k: v for k, v in asdict(record).items() if k != "line"})
    for name, schema in _SCHEMAS.items():
        if name == _OPTIONAL_TABLE and not rows[name]:
            (folder / name).unlink(missing_ok=True)
            continue
        ordered = sorted(rows[name], key=lambda row: str(row["concept_id"]))
        table = pa.Table.from_pylist(ordered, schema=schema)
        if "confidence" in table.column_names and table["confidence"].null_count == len(table):
            table = table.drop_columns("confidence")
        _write(folder / name, table)
    text = json.dumps([asdict(release) for release in source.releases], ensure_ascii=False, indent=2)
    (folder / _RELEASES).write_text(text + "\n", encoding="utf-8")


def _write(path: Path, table: pa.Table) -> None:
    flat = [field.name for field in table.schema if field.type == pa.string()]
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=19,
        use_dictionary=[column for column in flat if column not in ("concept_id", "name", "code")],
        column_encoding={column: "DELTA_BYTE_ARRAY" for column in flat if column in ("concept_id", "name", "code")},
        write_statistics=False,
        store_schema=False,
    )


def _table_of(record: Record) -> str:
    match record:
        case Concept():
            return "concepts.parquet"
        case Name():
            return "names.parquet"
        case Code():
            return "codes.parquet"
        case Replacement():
            return "replacements.parquet"


class _Rows:
    """The records of a folder, read anew by each iteration: concepts, names, codes, then replacements."""

    def __init__(self, folder: Path, tables: Mapping[str, pq.ParquetFile]) -> None:
        self._folder = folder
        self._tables = tables

    def __iter__(self) -> Iterator[Record]:
        makers: dict[str, Callable[[Row, int, Path], Record]] = {
            "concepts.parquet": _concept,
            "names.parquet": _name,
            "codes.parquet": _code,
            "replacements.parquet": _replacement,
        }
        for name, table in self._tables.items():
            path = self._folder / name
            for line, row in enumerate(_rows(table, path), 1):
                yield makers[name](row, line, path)


def _open(path: Path, schema: pa.Schema) -> pq.ParquetFile:
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError as error:
        raise SourceError("expected this file of the folder, got none", path=path) from error
    except (OSError, pa.ArrowException) as error:
        raise SourceError("expected a complete Parquet file", path=path) from error
    for field in schema:
        if field.name in file.schema_arrow.names:
            came = file.schema_arrow.field(field.name).type
            if _plain(came) != _plain(field.type):
                raise SourceError(f"expected {field.type}, got {came}", path=path, field=field.name)
        elif field.name not in _OPTIONAL:
            present = ", ".join(file.schema_arrow.names)
            raise SourceError(f"expected this column, got {present}", path=path, field=field.name)
    return file


def _plain(kind: pa.DataType) -> str:
    """What a type holds, whatever its offsets' width and its list items' name."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{_plain(kind.value_type)}>"
    return "string" if pa.types.is_large_string(kind) else str(kind)


def _rows(file: pq.ParquetFile, path: Path) -> Iterator[Row]:
    columns = {column for schema in _SCHEMAS.values() for column in schema.names}
    known = [name for name in file.schema_arrow.names if name in columns]
    try:
        for batch in file.iter_batches(columns=known):
            yield from batch.to_pylist()
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise SourceError("expected a complete Parquet file", path=path) from error


def _concept(row: Row, line: int, path: Path) -> Concept:
    return Concept(
        concept_id=_text(row, "concept_id", line, path),
        semantic_types=_texts(row, "semantic_types", line, path),
        definition=row.get("definition") or "",
        parents=_texts(row, "parents", line, path),
        retired=bool(row.get("retired")),
        line=line,
    )


def _name(row: Row, line: int, path: Path) -> Name:
    written = _text(row, "term_type", line, path)
    if written not in _TERM_TYPES:
        message = f"expected one of {', '.join(_TERM_TYPES)}, got {written[:80]}"
        raise SourceError(message, path=path, line=line, field="term_type")
    return Name(
        concept_id=_text(row, "concept_id", line, path),
        name=_text(row, "name", line, path),
        language=row["language"] or "",
        term_type=_TERM_TYPES[written],
        source=row.get("source") or "",
        line=line,
    )


def _code(row: Row, line: int, path: Path) -> Code:
    return Code(
        concept_id=_text(row, "concept_id", line, path),
        system=_text(row, "system", line, path),
        code=_text(row, "code", line, path),
        relation=row.get("relation") or "skos:exactMatch",
        source=row.get("source") or "",
        confidence=_confidence(row, line, path),
        line=line,
    )


def _confidence(row: Row, line: int, path: Path) -> float | None:
    value: float | None = row.get("confidence")
    if value is None or 0 <= value <= 1:
        return value
    raise SourceError(f"expected a number from 0 to 1, got {value}", path=path, line=line, field="confidence")


def _replacement(row: Row, line: int, path: Path) -> Replacement:
    return Replacement(
        concept_id=_text(row, "concept_id", line, path),
        replaced_by=_text(row, "replaced_by", line, path),
        relation=row.get("relation") or "",
        line=line,
    )


def _text(row: Row, column: str, line: int, path: Path) -> str:
    value = row[column]
    if isinstance(value, str) and value.strip():
        return value
    came = "nothing" if value is None else repr(value)
    raise SourceError(f"expected a text that is not empty, got {came}", path=path, line=line, field=column)


def _texts(row: Row, column: str, line: int, path: Path) -> tuple[str, ...]:
    values: Iterable[Any] = row[column] or ()
    return tuple(_text({column: value}, column, line, path) for value in values)


def _releases(path: Path) -> tuple[Release, ...]:
    if not path.exists():
        raise SourceError("expected this file of the folder, got none", path=path)
    document, _ = read_json(path)
    known = {field.name for field in fields(Release)}
    releases = []
    for i, value in enumerate(json_array(document, path, "[]")):
        entry = json_object(value, path, f"[{i}]")
        for key, content in entry.items():
            if key not in known or not isinstance(content, str):
                message = f"expected texts for {', '.join(sorted(known))}, got {str(content)[:80]}"
                raise SourceError(message, path=path, field=f"[{i}].{key}")
        if not entry.get("source"):
            raise SourceError("expected a text that is not empty, got nothing", path=path, field=f"[{i}].source")
        releases.append(Release(**{key: str(content) for key, content in entry.items()}))
    if not releases:
        raise SourceError("expected at least one release, got none", path=path)
    return tuple(releases)
