"""HL7 FHIR R4 `ValueSet` in JSON: an enumerated subset of one or more code systems.

Specification: FHIR R4 (4.0.1), section 4.9, ValueSet. An expansion is the value set's answer, so it is read where there
is one; else `compose.include[].concept[]`. A value set that leaves codes to a terminology server (`filter`, `valueSet`,
`exclude`) is refused rather than read in part.

SNOMED CT displays are fully specified names where they end in a semantic tag, "Asthma (disorder)" (SNOMED CT Editorial
Guide, "Fully specified name"): the tag becomes the semantic type, what precedes it the preferred name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from linker.identifiers import VOCABULARIES
from ontologies.errors import SourceError
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
from ontologies.records import Concept, Name, Record, Release, Source, TermType

_PREFIX_OF_SYSTEM = {vocabulary.system: vocabulary.prefix for vocabulary in VOCABULARIES}
_FSN = re.compile(r"(?P<term>.*\S)\s+\((?P<tag>[^()]+)\)")
_FSN_USE = "900000000000003001"  # SNOMED CT description type: fully specified name
_KNOWN_LICENCES = {
    "creativecommons.org/licenses/by/4.0": "CC-BY-4.0",
    "creativecommons.org/publicdomain/zero/1.0": "CC0-1.0",
}


@dataclass(frozen=True, slots=True)
class _Item:
    """One code of the value set, and where in the document it stands."""

    concept_id: str
    display: str
    entry: dict[str, Json]
    field: str


def read_fhir_valueset(path: AnyPath, *, language: str = "") -> Source:
    """The concepts that a FHIR R4 ValueSet enumerates.

    language: of the displays, where the value set does not state its own.
    """
    document, sha256 = read_json(path)
    valueset = json_object(document, path, "")
    if valueset.get("resourceType") != "ValueSet":
        came = str(valueset.get("resourceType"))[:80]
        raise SourceError(f"expected a ValueSet, got {came}", path=path, field="resourceType")
    items = list(_items(valueset, path))
    if not items:
        raise SourceError("expected enumerated codes, got none", path=path, field="compose.include")
    _refuse_duplicates(items, path)
    release = _release(valueset, items, path, sha256)
    spoken = optional_text(valueset, "language", path) or language
    return Source(
        path=str(path),
        releases=(release,),
        records=tuple(chain.from_iterable(_records(item, line, spoken, path) for line, item in enumerate(items, 1))),
    )


def _items(valueset: dict[str, Json], path: AnyPath) -> Iterator[_Item]:
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


def _included(include: dict[str, Json], path: AnyPath, field: str) -> Iterator[_Item]:
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
        yield _item(json_object(value, path, place), system, path, place)


def _contained(value: Json, path: AnyPath, field: str) -> Iterator[_Item]:
    for i, element in enumerate(json_array(value, path, field)):
        place = f"{field}[{i}]"
        entry = json_object(element, path, place)
        if not json_flag(entry, "abstract", path, place):  # a heading that groups codes, not one of them
            yield _item(entry, json_text(entry.get("system"), path, f"{place}.system"), path, place)
        yield from _contained(entry.get("contains"), path, f"{place}.contains")


def _item(entry: dict[str, Json], system: str, path: AnyPath, field: str) -> _Item:
    code = json_text(entry.get("code"), path, f"{field}.code")
    display = json_text(entry.get("display"), path, f"{field}.display")
    return _Item(f"{_prefix(system, path, field)}:{code}", display, entry, field)


def _prefix(system: str, path: AnyPath, field: str) -> str:
    """The registered prefix of a code system, else the last part of its URI that can be one."""
    if system in _PREFIX_OF_SYSTEM:
        return _PREFIX_OF_SYSTEM[system]
    last = re.search(r"([A-Za-z0-9][\w.-]*)\W*$", system)
    if last is None:
        raise SourceError(f"expected a code system URI, got {system[:80]}", path=path, field=f"{field}.system")
    return last[1]


def _refuse_duplicates(items: list[_Item], path: AnyPath) -> None:
    seen: dict[str, str] = {}
    for item in items:
        first = seen.setdefault(item.concept_id, item.field)
        if first != item.field:
            message = f"expected each code once, got {item.concept_id} again (first at {first})"
            raise SourceError(message, path=path, field=f"{item.field}.code")


def _records(item: _Item, line: int, language: str, path: AnyPath) -> Iterator[Record]:
    """The concept and its names. `line` is the code's number in the value set: JSON has no lines to speak of."""
    fsn = _FSN.fullmatch(item.display) if item.concept_id.startswith("SNOMEDCT:") else None
    yield Concept(
        concept_id=item.concept_id,
        semantic_types=(fsn["tag"],) if fsn else (),
        retired=json_flag(item.entry, "inactive", path, item.field),
        line=line,
    )
    preferred = fsn["term"] if fsn else item.display
    yield _name(item, preferred, language, TermType.PREFERRED, line)
    if fsn:
        yield _name(item, item.display, language, TermType.FULLY_SPECIFIED, line)
    field = f"{item.field}.designation"
    for i, value in enumerate(json_array(item.entry.get("designation"), path, field)):
        place = f"{field}[{i}]"
        designation = json_object(value, path, place)
        spoken = optional_text(designation, "language", path, place) or language
        text = json_text(designation.get("value"), path, f"{place}.value")
        use = json_object(designation.get("use") or {}, path, f"{place}.use").get("code")
        if text not in (preferred, item.display):
            term_type = TermType.FULLY_SPECIFIED if use == _FSN_USE else TermType.SYNONYM
            yield _name(item, text, spoken, term_type, line)


def _name(item: _Item, text: str, language: str, term_type: TermType, line: int) -> Name:
    return Name(concept_id=item.concept_id, name=text, language=language, term_type=term_type, line=line)


def _release(valueset: dict[str, Json], items: list[_Item], path: AnyPath, sha256: str) -> Release:
    prefixes = sorted({item.concept_id.partition(":")[0] for item in items})
    copyright_ = optional_text(valueset, "copyright", path)
    licences = [spdx for url, spdx in _KNOWN_LICENCES.items() if url in copyright_]
    attribution = "\n\n".join(filter(None, (optional_text(valueset, "publisher", path), copyright_)))
    return Release(
        source="+".join(prefixes),
        version=optional_text(valueset, "version", path),
        date=optional_text(valueset, "date", path)[:10],
        licence=licences[0] if licences else "",
        attribution=attribution,
        url=optional_text(valueset, "url", path),
        sha256=sha256,
    )
