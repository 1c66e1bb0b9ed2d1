"""Reads LOINC: the table Loinc.csv, and the linguistic variants and the table of replacements beside it.

Format: LOINC Users' Guide, appendix A, https://loinc.org/kb/users-guide/loinc-database-structure/ (comma-separated,
RFC 4180, a header first). In a release's folder the table is LoincTable/Loinc.csv, beside it MapTo.csv says what
replaced deprecated terms, and translations are AccessoryFiles/LinguisticVariants/esES12LinguisticVariant.csv. A concept
is `LOINC:8867-4`, its semantic type its CLASS, its fully specified name its six axes. RELATEDNAMES2 is not read: its
words are those of the axes, one by one, and name no test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.delimited import delimited_rows
from ontologies.readers.files import digest, uncompressed_name
from ontologies.readers.options import Options
from ontologies.records import Concept, Name, Record, Release, Replacement, Source, TermType

LANGUAGE = "en"
LICENCE = "LOINC and RELMA Terms of Use, https://loinc.org/license/"
ATTRIBUTION = (
    "This material contains content from LOINC (http://loinc.org). LOINC is copyright © Regenstrief Institute, Inc. and"
    " the Logical Observation Identifiers Names and Codes (LOINC) Committee and is available at no cost under the"
    " license at http://loinc.org/license. LOINC® is a registered United States trademark of Regenstrief Institute,"
    " Inc."
)
TABLE = "Loinc.csv"
AXES = ("COMPONENT", "PROPERTY", "TIME_ASPCT", "SYSTEM", "SCALE_TYP", "METHOD_TYP")
REQUIRED = ("LOINC_NUM", *AXES, "CLASS", "STATUS", "SHORTNAME", "LONG_COMMON_NAME")
SYNONYMS = ("DisplayName", "CONSUMER_NAME", "SHORTNAME", "LinguisticVariantDisplayName")

_NUMBER = re.compile(r"\d{1,7}-\d")
_VERSION = re.compile(r"loinc[_-]?v?(\d+\.\d+)", re.IGNORECASE)
_VARIANT = re.compile(r"([a-z]{2})([A-Z]{2})\d+LinguisticVariant\.csv")

Row = dict[str, str]


def is_loinc(path: Path, head: bytes) -> bool:
    """Whether `path` is Loinc.csv, or a folder with it."""
    if path.is_dir():
        return bool(_files(path))
    first = head.partition(b"\n")[0]
    return first.lstrip(b'"').startswith(b"LOINC_NUM") and b"LONG_COMMON_NAME" in first and b"STATUS" in first


def read_loinc(path: str | Path, options: Options) -> Source:
    """The records of the release in the folder `path` or below it, or of the table `path` and the files beside it.

    Raises `SourceError`, and so do its records.
    """
    file = _table(Path(path))
    versions = _VERSION.findall(str(file.absolute()))
    release = Release(
        source="LOINC",
        version=versions[-1] if versions else "",
        licence=LICENCE,
        attribution=ATTRIBUTION,
        url="https://loinc.org",
        sha256=digest(file),
    )
    _check_classes(file, options)
    return Source(path=str(file), releases=(release,), records=_records(file, options))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob(f"{TABLE}*") if uncompressed_name(path) == TABLE and path.is_file())


def _table(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = _files(path)
    if len(found) == 1:
        return found[0]
    came = ", ".join(str(file.relative_to(path)) for file in found) or "none"
    raise SourceError(f"expected one release of LOINC, with one {TABLE}, got {came}", path=path)


def _rows(path: Path, required: tuple[str, ...], options: Options) -> Iterator[tuple[int, Row]]:
    """Each row by column. Raises `SourceError` for a header that lacks a required column."""
    header: list[str] = []
    for line, cells in delimited_rows(path):
        if not header:
            header = cells
            for column in required:
                if column not in header:
                    message = f"expected this column in a comma-separated header, got {', '.join(header)[:200]}"
                    raise SourceError(message, path=path, line=line, field=column)
        elif len(cells) == len(header):
            yield line, dict(zip(header, map(str.strip, cells), strict=True))
        else:
            error = SourceError(f"expected {len(header)} columns, got {len(cells)}", path=path, line=line)
            options.problems.found("row with the wrong number of columns", error)
    if not header:
        raise SourceError("expected a header, got an empty file", path=path)


def _check_classes(path: Path, options: Options) -> None:
    if options.semantic_types:
        known = {row["CLASS"] for _, row in _rows(path, REQUIRED, options)}
        for wanted in options.semantic_types:
            if wanted not in known:
                message = f"expected a class of this release ({', '.join(sorted(known))}), got {wanted}"
                raise SourceError(message, path=path, field="CLASS")


def _records(path: Path, options: Options) -> Iterator[Record]:
    kept: set[str] = set()
    variants = dict(_variants(path, options))
    spoken = None if options.speaks(LANGUAGE) else _spoken(variants, options)
    seen: set[str] = set()
    for line, row in _rows(path, REQUIRED, options):
        number = row["LOINC_NUM"]
        if not _NUMBER.fullmatch(number) or number in seen:
            expected = "a number such as 8867-4, each once"
            error = SourceError(f"expected {expected}, got {number!r}", path=path, line=line, field="LOINC_NUM")
            options.problems.found("LOINC number that is none, or told twice", error)
            continue
        seen.add(number)
        if (options.semantic_types and row["CLASS"] not in options.semantic_types) or (
            spoken is not None and number not in spoken
        ):
            continue
        kept.add(number)
        yield Concept(
            concept_id=f"LOINC:{number}",
            semantic_types=(row["CLASS"],) if row["CLASS"] else (),
            definition=row.get("DefinitionDescription", ""),
            retired=row["STATUS"] == "DEPRECATED",
            line=line,
        )
        if spoken is None:
            yield from _names(row, LANGUAGE, line)
    if not kept:
        raise SourceError("expected at least one row that the filters leave, got none", path=path)
    for variant, tag in variants.items():
        for _, row in _rows(variant, ("LOINC_NUM", "LONG_COMMON_NAME"), options):
            if row["LOINC_NUM"] in kept:
                yield from _names(row, tag, 0)
    yield from _replacements(path, kept, options)


def _variants(path: Path, options: Options) -> Iterator[tuple[Path, str]]:
    """The files of translations that are wanted, each with its language."""
    folder = path.parent.parent if path.parent.name == "LoincTable" else path.parent
    for file in sorted(folder.rglob("*LinguisticVariant.csv*")):
        if named := _VARIANT.fullmatch(uncompressed_name(file)):
            tag = f"{named[1]}-{named[2]}"
            if options.speaks(tag):
                yield file, tag


def _spoken(variants: dict[Path, str], options: Options) -> set[str]:
    """The concepts that have a name in a language that is wanted."""
    rows = (row for path in variants for _, row in _rows(path, ("LOINC_NUM", "LONG_COMMON_NAME"), options))
    return {row["LOINC_NUM"] for row in rows if any(_told(row))}


def _names(row: Row, tag: str, line: int) -> Iterator[Name]:
    """The names in a row, each once, the first preferred."""
    told = _told(row)
    for place, (name, term_type) in enumerate(told.items()):
        yield Name(
            concept_id=f"LOINC:{row['LOINC_NUM']}",
            name=name,
            language=tag,
            term_type=TermType.PREFERRED if place == 0 else term_type,
            line=line,
        )


def _told(row: Row) -> dict[str, TermType]:
    names = {row[column]: TermType.SYNONYM for column in ("LONG_COMMON_NAME", *SYNONYMS) if row.get(column)}
    axes = [row.get(axis, "") for axis in AXES]
    if axes[0]:
        names.setdefault(":".join(axes).rstrip(":"), TermType.FULLY_SPECIFIED)
    return names


def _replacements(path: Path, kept: set[str], options: Options) -> Iterator[Replacement]:
    table = path.with_name("MapTo.csv")
    if table.is_file():
        for _, row in _rows(table, ("LOINC", "MAP_TO"), options):
            if row["MAP_TO"] in kept:
                yield Replacement(concept_id=f"LOINC:{row['LOINC']}", replaced_by=f"LOINC:{row['MAP_TO']}")
