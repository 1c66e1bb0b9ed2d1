"""HL7 FHIR R4 `ValueSet` in JSON: an enumerated subset of one or more code systems.

Specification: FHIR R4 (4.0.1), section 4.9, ValueSet. An expansion is the value set's answer, so it is read where there
is one; else `compose.include[].concept[]`. A value set that leaves codes to a terminology server (`filter`, `valueSet`,
`exclude`) is refused rather than read in part.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ontologies.errors import SourceError
from ontologies.readers.fhir_resource import Coding, prefix_of, release_of
from ontologies.readers.json_file import (
    AnyPath,
    Json,
    json_array,
    json_flag,
    json_object,
    json_text,
    optional_text,
    read_json,
)
from ontologies.records import Concept, Record, Source


def read_fhir_valueset(path: AnyPath, *, language: str = "") -> Source:
    """The concepts that a FHIR R4 ValueSet enumerates.

    language: of the displays, where the value set does not state its own.
    """
    document, sha256 = read_json(path)
    valueset = json_object(document, path, "")
    if valueset.get("resourceType") != "ValueSet":
        came = str(valueset.get("resourceType"))[:80]
        raise SourceError(f"expected a ValueSet, got {came}", path=path, field="resourceType")
    codings = list(_codings(valueset, path))
    if not codings:
        raise SourceError("expected enumerated codes, got none", path=path, field="compose.include")
    _refuse_duplicates(codings, path)
    source = "+".join(sorted({coding.concept_id.partition(":")[0] for coding in codings}))
    spoken = optional_text(valueset, "language", path) or language
    return Source(
        path=str(path),
        releases=(release_of(valueset, source, path, sha256),),
        records=tuple(chain.from_iterable(_records(coding, spoken, path) for coding in codings)),
    )


def _codings(valueset: dict[str, Json], path: AnyPath) -> Iterator[Coding]:
    """The codes of the value set. `line` is the code's number there: JSON read whole has no lines to speak of."""
    for number, (entry, system, field) in enumerate(_entries(valueset, path), start=1):
        code = json_text(entry.get("code"), path, f"{field}.code")
        display = json_text(entry.get("display"), path, f"{field}.display")
        yield Coding(f"{prefix_of(system, path, f'{field}.system')}:{code}", display, entry, number, field)


_Entry = tuple[dict[str, Json], str, str]  # the code as it is enumerated, its system, its path in the document


def _entries(valueset: dict[str, Json], path: AnyPath) -> Iterator[_Entry]:
    expansion = json_object(valueset.get("expansion") or {}, path, "expansion")
    if "contains" in expansion:
        yield from _contained(expansion["contains"], path, "expansion.contains")
        return
    compose = json_object(valueset.get("compose") or {}, path, "compose")
    if compose.get("exclude"):
        raise SourceError("expected an expansion where codes are excluded", path=path, field="compose.exclude")
    for i, value in enumerate(json_array(compose.get("include"), path, "compose.include")):
        field = f"compose.include[{i}]"
        yield from _included(json_object(value, path, field), path, field)


def _included(include: dict[str, Json], path: AnyPath, field: str) -> Iterator[_Entry]:
    for key in ("filter", "valueSet"):
        if include.get(key):
            message = "expected an expansion where codes are left to a terminology server"
            raise SourceError(message, path=path, field=f"{field}.{key}")
    concepts = json_array(include.get("concept"), path, f"{field}.concept")
    if not concepts:
        raise SourceError("expected enumerated codes or an expansion, got neither", path=path, field=field)
    system = json_text(include.get("system"), path, f"{field}.system")
    for i, value in enumerate(concepts):
        place = f"{field}.concept[{i}]"
        yield json_object(value, path, place), system, place


def _contained(value: Json, path: AnyPath, field: str) -> Iterator[_Entry]:
    for i, element in enumerate(json_array(value, path, field)):
        place = f"{field}[{i}]"
        entry = json_object(element, path, place)
        if not json_flag(entry, "abstract", path, place):  # a heading that groups codes, not one of them
            yield entry, json_text(entry.get("system"), path, f"{place}.system"), place
        yield from _contained(entry.get("contains"), path, f"{place}.contains")


def _refuse_duplicates(codings: list[Coding], path: AnyPath) -> None:
    seen: dict[str, str] = {}
    for coding in codings:
        first = seen.setdefault(coding.concept_id, coding.field)
        if first != coding.field:
            message = f"expected each code once, got {coding.concept_id} again (first at {first})"
            raise SourceError(message, path=path, field=f"{coding.field}.code")


def _records(coding: Coding, language: str, path: AnyPath) -> Iterator[Record]:
    yield Concept(
        concept_id=coding.concept_id,
        semantic_types=coding.semantic_types,
        retired=json_flag(coding.entry, "inactive", path, coding.field),
        line=coding.line,
    )
    yield from coding.names(language, path)
