"""Reads the FDA's list of substance names, UNII_Names_DATE.txt of https://precision.fda.gov/uniisearch/archive.

Tab-separated, a header first: Name, TYPE (of: official, cn: common, bn: brand, sys: systematic, cd: code of a
laboratory or a registry), UNII, Display Name (PT in older files). A concept is `UNII:R16CO5Y76E`, its preferred name
the display name. A name may end in the list that it is from, "ASPIRIN [USP-RS]", which is no part of it. All names
count as English: those in Latin and the languages of pharmacopoeias are not told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.files import digest, uncompressed_name
from ontologies.readers.headed_tsv import HeadedTable, first_row, open_headed_tsv
from ontologies.readers.options import Options
from ontologies.records import Concept, Name, Record, Release, Source, TermType

PREFIX = "UNII"
LANGUAGE = "en"
LICENCE = "U.S. Government work, public domain in the United States"
URL = "https://precision.fda.gov/uniisearch/archive"
TYPES = ("of", "cn", "bn", "sys", "cd")

_REQUIRED = ("Name", "TYPE", "UNII")
_DISPLAYED = ("Display Name", "PT")
_UNII = re.compile(r"[0-9A-Z]{10}")
_LIST = re.compile(r"\s+\[[^\[\]]*\]$")
_DATE = re.compile(r"(\d{1,2})-?([A-Z][a-z]{2})-?(\d{4})")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def is_unii(_: Path, head: bytes) -> bool:
    """Whether a file that begins so is the list."""
    return first_row(head)[:3] == _REQUIRED


def read_unii(path: str | Path, options: Options) -> Source:
    """The substances of the list. `Options.term_types` chooses names by TYPE, beside the display name of each.

    Raises `SourceError`, and so do its records.
    """
    path = Path(path)
    for wanted in options.term_types:
        if wanted not in TYPES:
            message = f"expected a type of name of this format ({', '.join(TYPES)}), got {wanted}"
            raise SourceError(message, path=path, field="TYPE")
    table = open_headed_tsv(path, _REQUIRED, options)
    displayed = next((column for column in _DISPLAYED if column in table.columns), None)
    if displayed is None:
        message = f"expected one of the columns {' and '.join(_DISPLAYED)}, got {', '.join(table.columns)}"
        raise SourceError(message, path=path, line=1)
    date = _stated_date(uncompressed_name(path))
    release = Release(
        source=PREFIX,
        version=date,
        date=date,
        licence=LICENCE,
        attribution="U.S. Food and Drug Administration, Global Substance Registration System",
        url=URL,
        sha256=digest(path),
    )
    return Source(path=str(path), releases=(release,), records=_records(path, table, displayed, options))


def _records(path: Path, table: HeadedTable, displayed: str, options: Options) -> Iterator[Record]:
    known: set[str] = set()
    for line, row in table.rows:
        name, code, shown = _LIST.sub("", row["Name"]), row["UNII"], row[displayed]
        error = _error(name, code, shown, displayed)
        if error:
            field, message = error
            problem = SourceError(message, path=path, line=line, field=field)
            options.problems.found("rows that name no substance", problem)
            continue
        concept_id = f"{PREFIX}:{code}"
        if code not in known:
            known.add(code)
            yield Concept(concept_id=concept_id, line=line)
            yield Name(concept_id=concept_id, name=shown, language=LANGUAGE, term_type=TermType.PREFERRED, line=line)
        if name != shown and (not options.term_types or row["TYPE"] in options.term_types):
            yield Name(concept_id=concept_id, name=name, language=LANGUAGE, line=line)


def _error(name: str, code: str, shown: str, displayed: str) -> tuple[str, str] | None:
    """The field that is wrong, and how."""
    if not _UNII.fullmatch(code):
        return "UNII", f"expected ten digits and capitals, got {code[:80]!r}"
    if not name:
        return "Name", "expected a name, got nothing"
    return None if shown else (displayed, "expected a name, got nothing")


def _stated_date(file: str) -> str:
    """The date in the name of a file, ISO 8601, or "".

    >>> _stated_date("UNII_Names_26Sep2024.txt"), _stated_date("UNII_Names.txt")
    ('2024-09-26', '')
    """
    found = _DATE.search(file)
    if found is None or found[2] not in _MONTHS:
        return ""
    return f"{found[3]}-{_MONTHS.index(found[2]) + 1:02}-{int(found[1]):02}"
