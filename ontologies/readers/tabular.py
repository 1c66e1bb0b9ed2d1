"""Reads a terminology written as a table: TSV, CSV (both also .gz or .xz) or Parquet. One row is one name.

    concept_id     required; several rows with one concept id are several names of that concept
    name           required
    language       BCP-47 tag of the name
    term_type      preferred | synonym | fully_specified | related          (synonym where empty)
    semantic_type  several are separated by |
    codes          PREFIX:code, or PREFIX:code=PREDICATE as in UMLS:C0027051=skos:broadMatch; several separated by |
    parents        concept ids separated by |
    definition     free text

A first row with `concept_id` and `name` in it names the columns, in any order. A file without one is positional:
concept_id, name[, language[, semantic_type[, codes]]]. Parquet always names its columns.

What belongs to the concept and not to the name (semantic_type, parents, definition) is said on the concept's first
row; later rows repeat it or leave it empty. So a table streams, and only concept ids and digests stay in memory.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from linker.identifiers import canonical_prefix
from ontologies.errors import SourceError
from ontologies.readers.delimited import Row, delimited_rows
from ontologies.readers.files import digest, first_bytes, uncompressed_name
from ontologies.readers.options import Problems
from ontologies.readers.parquet import MAGIC, parquet_columns, parquet_rows
from ontologies.records import Code, Concept, Name, Record, Release, Source, TermType

COLUMNS = ("concept_id", "name", "language", "term_type", "semantic_type", "codes", "parents", "definition")
POSITIONS = ("concept_id", "name", "language", "semantic_type", "codes")

# RFC 5646, section 2.1, less the primary subtags of 4 to 8 letters: none is registered, and a column that is no
# language ("xref", "synonym") would pass for one.
_LANGUAGE = re.compile(
    r"""(?: [a-z]{2,3} (?:-[a-z]{3}){0,3} (?:-[a-z]{4})? (?:-(?:[a-z]{2}|[0-9]{3}))?
            (?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))* (?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)* (?:-x(?:-[a-z0-9]{1,8})+)?
          | x(?:-[a-z0-9]{1,8})+ )""",
    re.IGNORECASE | re.VERBOSE,
)
_CODE = re.compile(r"(?P<system>[^\s:=]+):(?P<code>[^\s=][^=]*?)(?:=(?P<relation>[A-Za-z][\w.-]*:[A-Za-z]\w*))?")


def read_tabular(path: str | Path, *, language: str = "", prefix: str = "", problems: Problems | None = None) -> Source:
    """The table's records: a concept where its id is first seen, a name a row, and the row's codes.

    language: of the names whose row does not say. prefix: put before concept ids that have none. problems: told of
    rows that are not what they should be, which are then left out.
    """
    path = Path(path)
    release = Release(source=prefix or Path(uncompressed_name(path)).stem, sha256=digest(path))
    if language and not _is_language(language):
        raise SourceError(_expected_language(language), path=path, field="language")
    problems = problems or Problems()
    layout, rows = _open(path, problems)
    reader = _RowReader(path, layout, language=language, prefix=prefix)
    return Source(path=str(path), releases=(release,), records=_records(path, reader, rows, problems))


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the cells of a row are. hint: ends each message, where that was not said by the file but assumed."""

    columns: Sequence[str]
    hint: str = ""


def _open(path: Path, problems: Problems) -> tuple[_Layout, Iterable[Row]]:
    if first_bytes(path, size=len(MAGIC)) == MAGIC or path.suffix.lower() == ".parquet":
        layout = _header(parquet_columns(path), path=path, line=None)
        return layout, parquet_rows(path, columns=layout.columns)
    with closing(delimited_rows(path)) as rows:
        first = next(rows, None)
    if first is None:
        raise SourceError("expected at least one row, got an empty file", path=path)
    line, cells = first
    names = [cell.strip() for cell in cells]
    if "concept_id" in names or "name" in names:
        return _header(names, path=path, line=line), (row for row in delimited_rows(path, problems) if row[0] != line)
    return _positions(len(cells), path=path, line=line), delimited_rows(path, problems)


def _header(names: Sequence[str], *, path: Path, line: int | None) -> _Layout:
    for required in ("concept_id", "name"):
        if required not in names:
            raise SourceError(f"expected this column, got {', '.join(names)}", path=path, line=line, field=required)
    for place, name in enumerate(names):
        if name not in COLUMNS:
            message = f"expected one of the columns {', '.join(COLUMNS)}, got {name!r}"
            raise SourceError(message, path=path, line=line, field=name)
        if name in names[:place]:
            raise SourceError("expected each column once, got it twice", path=path, line=line, field=name)
    return _Layout(names)


def _positions(width: int, *, path: Path, line: int) -> _Layout:
    if 2 <= width <= len(POSITIONS):
        columns = POSITIONS[:width]
        return _Layout(columns, hint=f" (no header row, so the columns are taken to be {', '.join(columns)})")
    message = (
        f"expected 2 to {len(POSITIONS)} columns ({', '.join(POSITIONS)}), or a header row that names concept_id and"
        f" name, with tabs between them (commas in a .csv file), got {width}"
    )
    raise SourceError(message, path=path, line=line, field=None if width > 1 else "name")


def _records(path: Path, reader: _RowReader, rows: Iterable[Row], problems: Problems) -> Iterator[Record]:
    empty = True
    for line, cells in rows:
        empty = False
        try:
            records = list(reader.records(line, cells))
        except SourceError as error:
            problems.found("rows that are not what they should be", error)
            reader.forget(line)
        else:
            yield from records
    if empty:
        raise SourceError("expected at least one row, got only a header", path=path)


class _RowReader:
    """Turns the cells of one row after another into records, remembering what earlier rows said."""

    def __init__(self, path: Path, layout: _Layout, *, language: str, prefix: str) -> None:
        self._path = path
        self._columns = layout.columns
        self._hint = layout.hint
        self._language = language
        self._prefix = prefix
        self._first_lines: dict[str, int] = {}
        self._said: set[int] = set()  # hashes, so that memory does not grow with the definitions
        self._preferred: dict[tuple[str, str], tuple[int, int]] = {}  # line, and hash of the name

    def records(self, line: int, cells: list[str]) -> Iterator[Record]:
        row = self._row(line, cells)
        concept_id = self._curie(row["concept_id"])
        if concept_id in self._first_lines:
            self._check_repeated(concept_id, row, line)
        else:
            yield self._concept(concept_id, row, line)
        yield self._name(concept_id, row, line)
        if row.get("codes"):
            for code in self._split(row, "codes", line):
                yield self._code(concept_id, code, line)

    def forget(self, line: int) -> None:
        """Take back that a concept was told on this line, the last read, which is left out."""
        if self._first_lines and next(reversed(self._first_lines.values())) == line:
            self._first_lines.popitem()

    def _row(self, line: int, cells: list[str]) -> dict[str, str]:
        if len(cells) != len(self._columns):
            missing = self._columns[len(cells)] if len(cells) < len(self._columns) else None
            message = f"expected {len(self._columns)} columns ({', '.join(self._columns)}), got {len(cells)}"
            raise self._error(message, line, missing)
        row = {column: cell.strip() for column, cell in zip(self._columns, cells, strict=True)}
        for column, cell in row.items():
            if "\0" in cell:
                raise self._error("expected text, got a NUL character", line, column)
        for column in ("concept_id", "name"):
            if not _is_visible(row[column]):
                raise self._error(f"expected a value, got {row[column]!r}", line, column)
        return row

    def _concept(self, concept_id: str, row: dict[str, str], line: int) -> Concept:
        self._first_lines[concept_id] = line
        self._said.update(hash((concept_id, field, row[field])) for field in _OF_THE_CONCEPT if row.get(field))
        return Concept(
            concept_id=concept_id,
            semantic_types=self._split(row, "semantic_type", line),
            definition=row.get("definition", ""),
            parents=tuple(self._curie(parent) for parent in self._split(row, "parents", line)),
            line=line,
        )

    def _check_repeated(self, concept_id: str, row: dict[str, str], line: int) -> None:
        for field in _OF_THE_CONCEPT:
            if row.get(field) and hash((concept_id, field, row[field])) not in self._said:
                first = self._first_lines[concept_id]
                message = (
                    f"expected nothing, or what the first row of {concept_id} says (line {first}), got something else"
                )
                raise self._error(message, line, field)

    def _name(self, concept_id: str, row: dict[str, str], line: int) -> Name:
        language = row.get("language", "")
        if language and not _is_language(language):
            raise self._error(_expected_language(language), line, "language")
        name = Name(
            concept_id=concept_id,
            name=row["name"],
            language=language or self._language,
            term_type=self._term_type(row.get("term_type", ""), line),
            line=line,
        )
        if name.term_type is TermType.PREFERRED:
            self._check_preferred(name)
        return name

    def _term_type(self, text: str, line: int) -> TermType:
        try:
            return TermType(text) if text else TermType.SYNONYM
        except ValueError:
            message = f"expected one of {', '.join(TermType)}, got {text!r}"
            raise self._error(message, line, "term_type") from None

    def _check_preferred(self, name: Name) -> None:
        """One id with two preferred names in a language is two concepts under one id."""
        key = (name.concept_id, name.language.lower())
        line, known = self._preferred.setdefault(key, (name.line, hash(name.name)))
        if known != hash(name.name):
            message = f"expected one preferred name of {name.concept_id} in a language, got {name.name!r}"
            raise self._error(f"{message} and another on line {line}", name.line, "name")

    def _code(self, concept_id: str, text: str, line: int) -> Code:
        match = _CODE.fullmatch(text)
        if match is None:
            raise self._error(f"expected PREFIX:code or PREFIX:code=PREFIX:predicate, got {text!r}", line, "codes")
        system = canonical_prefix(match["system"])
        if match["relation"] is None:
            return Code(concept_id=concept_id, system=system, code=match["code"], line=line)
        return Code(concept_id=concept_id, system=system, code=match["code"], relation=match["relation"], line=line)

    def _split(self, row: dict[str, str], column: str, line: int) -> tuple[str, ...]:
        cell = row.get(column, "")
        parts = tuple(part.strip() for part in cell.split("|")) if cell else ()
        if not all(parts):
            raise self._error(f"expected a value on each side of |, got {cell!r}", line, column)
        return parts

    def _curie(self, concept_id: str) -> str:
        return f"{self._prefix}:{concept_id}" if self._prefix and ":" not in concept_id else concept_id

    def _error(self, message: str, line: int, field: str | None) -> SourceError:
        return SourceError(message + self._hint, path=self._path, line=line, field=field)


_OF_THE_CONCEPT = ("semantic_type", "parents", "definition")


def _is_visible(text: str) -> bool:
    """Whether a stripped cell shows anything: not only controls, format characters and separators."""
    return text != "" and (text.isprintable() or any(unicodedata.category(char)[0] not in "CZ" for char in text))


@lru_cache(maxsize=1024)
def _is_language(tag: str) -> bool:
    return _LANGUAGE.fullmatch(tag) is not None


def _expected_language(tag: str) -> str:
    return f"expected a BCP-47 tag such as en or pt-BR, got {tag!r}"
