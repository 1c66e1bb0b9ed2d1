"""Translations of an ontology: Babelon/TSV, and the synonym templates that lie beside it in HPO's translations.

Babelon: https://github.com/monarch-initiative/babelon, one translated value a row, with its status. A translated label
is a preferred name in its language only where it is OFFICIAL. One that is not yet (CANDIDATE, UNDER_REVIEW) is often a
machine's: it is left out, or a synonym where `Options.suppressed` asks for it. NOT_TRANSLATED is never a name: its
value is English, or nothing. Definitions have no language here, so translated ones are not read.

A synonym template is a ROBOT template (http://robot.obolibrary.org/template): the second row says what the columns are,
`AL oboInOwl:hasExactSynonym@cs`. HPO's have the status in a column of another name in each language, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.annotations import iso_date
from ontologies.readers.files import digest
from ontologies.readers.headed_tsv import Row, first_row, open_headed_tsv
from ontologies.readers.options import Options
from ontologies.records import Name, Release, Source, TermType

_BABELON = ("subject_id", "predicate_id", "translation_language", "translation_value", "translation_status")
_TEMPLATE = ("subject_id", "translation_value")
_PREDICATES = {
    "rdfs:label": TermType.PREFERRED,
    "oboInOwl:hasExactSynonym": TermType.SYNONYM,
    "oboInOwl:hasBroadSynonym": TermType.RELATED,
    "oboInOwl:hasNarrowSynonym": TermType.RELATED,
    "oboInOwl:hasRelatedSynonym": TermType.RELATED,
}
_STATUSES = ("OFFICIAL", "CANDIDATE", "UNDER_REVIEW", "NOT_TRANSLATED")
_STATUS_COLUMNS = ("translation_status", "status", "comment")
_AL = re.compile(r"AL (?P<predicate>\S+)@(?P<language>[A-Za-z0-9-]+)(?: SPLIT=(?P<split>\S+))?")
_CURIE = re.compile(r"[^\s:]+:\S+")
_EXPECTED = {
    "subject_id": "a CURIE such as HP:0001945",
    "translation_value": "the translated text",
    "translation_language": "a BCP-47 tag",
}


def is_babelon(_: Path, head: bytes) -> bool:
    """Whether a file that begins so is a Babelon translation or a synonym template."""
    columns = first_row(head)
    return set(_BABELON) <= set(columns) or columns[:2] == _TEMPLATE


def read_babelon(path: str | Path, options: Options) -> Source:
    """The names of a translation, of concepts that it does not define. Raises `SourceError`."""
    path = Path(path)
    table = open_headed_tsv(path, _TEMPLATE, options)
    values = _babelon(path, options) if "translation_status" in table.columns else _template(path, options)
    first = next(values, None)
    if first is None:
        raise SourceError("expected at least one translation, got none", path=path)
    release = Release(
        source=f"{first.name.concept_id.partition(':')[0]}-{first.name.language}",
        version=first.version,
        date=iso_date(first.version),
        sha256=digest(path),
    )
    return Source(path=str(path), releases=(release,), records=_names(chain((first,), values), options))


@dataclass(frozen=True, slots=True)
class _Value:
    """A translated value as a name, the status it has, and the version of the ontology that it translates."""

    name: Name
    status: str
    version: str = ""


def _names(values: Iterable[_Value], options: Options) -> Iterator[Name]:
    for value in values:
        if not options.speaks(value.name.language):
            continue
        if value.status == "OFFICIAL":
            yield value.name
        elif value.status != "NOT_TRANSLATED" and options.suppressed:
            guess = TermType.SYNONYM if value.name.term_type is TermType.PREFERRED else value.name.term_type
            yield replace(value.name, term_type=guess)


def _babelon(path: Path, options: Options) -> Iterator[_Value]:
    for line, row in open_headed_tsv(path, _BABELON, options).rows:
        predicate = row["predicate_id"]
        status = row["translation_status"]
        if status not in _STATUSES:
            message = f"expected one of {', '.join(_STATUSES)}, got {status[:80]!r}"
            error = SourceError(message, path=path, line=line, field="translation_status")
            options.problems.found("rows of an unknown status", error)
        elif predicate in _PREDICATES:
            spoken = row["translation_language"]
            for name in _checked(row, row["translation_value"], spoken, _PREDICATES[predicate], line, path, options):
                yield _Value(name, status, row.get("source_version", ""))


def _template(path: Path, options: Options) -> Iterator[_Value]:
    rows = open_headed_tsv(path, _TEMPLATE, options).rows
    line, directives = next(rows, (None, {"translation_value": ""}))
    directive = _AL.fullmatch(directives["translation_value"])
    if directive is None or directive["predicate"] not in _PREDICATES:
        message = f"expected AL, a predicate and a language, got {directives['translation_value'][:80]!r}"
        raise SourceError(message, path=path, line=line, field="translation_value")
    term_type, language, split = _PREDICATES[directive["predicate"]], directive["language"], directive["split"]
    for line, row in rows:
        status = _status(row)
        value = row["translation_value"]
        for text in value.split(split) if split else (value,):
            for name in _checked(row, text.strip(), language, term_type, line, path, options):
                yield _Value(name, status)


def _checked(
    row: Row, text: str, language: str, term_type: TermType, line: int, path: Path, options: Options
) -> Iterator[Name]:
    """The name that a row gives, or none where it is not what it should be."""
    found = {
        "subject_id": _CURIE.fullmatch(row["subject_id"]),
        "translation_value": text,
        "translation_language": language,
    }
    wrong = next((column for column, value in found.items() if not value), None)
    if wrong:
        message = f"expected {_EXPECTED[wrong]}, got {row.get(wrong, '')[:80]!r}"
        options.problems.found("rows that are no translation", SourceError(message, path=path, line=line, field=wrong))
        return
    yield Name(concept_id=row["subject_id"], name=text, language=language, term_type=term_type, line=line)


def _status(row: Row) -> str:
    """What a template's row says of its status; a template that says nothing holds what its authors publish."""
    said = {name.lower(): cell for name, cell in row.items()}
    return next((said[column] for column in _STATUS_COLUMNS if said.get(column) in _STATUSES), "OFFICIAL")
