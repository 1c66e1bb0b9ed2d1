"""What HL7 FHIR R4's terminology resources in JSON (CodeSystem, ValueSet, ConceptMap) have in common.

Specification: FHIR R4 (4.0.1), sections 4.8 to 4.10, https://hl7.org/fhir/R4/terminology-module.html.

SNOMED CT displays are fully specified names where they end in a semantic tag, "Asthma (disorder)" (SNOMED CT Editorial
Guide, "Fully specified name"): the tag becomes the semantic type, what precedes it the preferred name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from linker.identifiers import prefix_of_system
from ontologies.errors import SourceError
from ontologies.readers.json_file import AnyPath, Json, json_array, json_object, json_text, optional_text
from ontologies.readers.licences import known_licence
from ontologies.records import Name, Release, TermType

_FSN = re.compile(r"(?P<term>.*\S)\s+\((?P<tag>[^()]+)\)")
_RESOURCE_TYPE = re.compile(rb'"resourceType"\s*:\s*"(\w+)"')
_USES = {
    "900000000000003001": TermType.FULLY_SPECIFIED,  # SNOMED CT description type
    "preferredForLanguage": TermType.PREFERRED,  # http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra
    "display": TermType.PREFERRED,  # http://terminology.hl7.org/CodeSystem/designation-usage
}


@dataclass(frozen=True, slots=True)
class Coding:
    """One code of a resource. display: "" where it has none. field: where in the document it stands."""

    concept_id: str
    display: str
    entry: dict[str, Json]
    line: int
    field: str

    @property
    def semantic_types(self) -> tuple[str, ...]:
        """The semantic tag of a SNOMED CT fully specified name."""
        fsn = self._fsn
        return (fsn["tag"],) if fsn else ()

    @property
    def _fsn(self) -> re.Match[str] | None:
        return _FSN.fullmatch(self.display) if self.concept_id.startswith("SNOMEDCT:") else None

    def names(self, language: str, path: AnyPath) -> Iterator[Name]:
        """The display, then the designations that say something else. language: of what states none."""
        fsn = self._fsn
        preferred = fsn["term"] if fsn else self.display
        if preferred:
            yield self._name(preferred, language, TermType.PREFERRED)
        if fsn:
            yield self._name(self.display, language, TermType.FULLY_SPECIFIED)
        has_preferred = {language} if preferred else set()
        for designation in self._designations(language, path):
            if designation.text not in (preferred, self.display):
                again = designation.term_type is TermType.PREFERRED and designation.language in has_preferred
                term_type = TermType.SYNONYM if again else designation.term_type
                has_preferred.update([designation.language] if term_type is TermType.PREFERRED else ())
                yield self._name(designation.text, designation.language, term_type)

    def _designations(self, language: str, path: AnyPath) -> Iterator[_Designation]:
        field = f"{self.field}.designation"
        for i, value in enumerate(json_array(self.entry.get("designation"), path, field)):
            place = f"{field}[{i}]"
            designation = json_object(value, path, place)
            use = json_object(designation.get("use") or {}, path, f"{place}.use").get("code")
            yield _Designation(
                json_text(designation.get("value"), path, f"{place}.value"),
                optional_text(designation, "language", path, place) or language,
                _USES.get(str(use), TermType.SYNONYM),
            )

    def _name(self, text: str, language: str, term_type: TermType) -> Name:
        return Name(concept_id=self.concept_id, name=text, language=language, term_type=term_type, line=self.line)


@dataclass(frozen=True, slots=True)
class _Designation:
    text: str
    language: str
    term_type: TermType


def resource_type(head: bytes) -> str:
    """The type of the resource in a JSON file that begins so, or "" where it shows none.

    >>> resource_type(b'{"resourceType" : "CodeSystem", "id": "x", ...')
    'CodeSystem'
    """
    match = _RESOURCE_TYPE.search(head) if head.lstrip().startswith(b"{") else None
    return match[1].decode() if match else ""


def prefix_of(system: str, path: AnyPath, field: str) -> str:
    """The registered prefix of a code system, else the last part of its URI that can be one.

    system: a URI, or a canonical with the version after a bar.
    """
    if prefix := prefix_of_system(system):
        return prefix
    raise SourceError(f"expected a code system URI, got {system[:80]}", path=path, field=field)


def release_of(resource: dict[str, Json], source: str, path: AnyPath, sha256: str) -> Release:
    """What the resource says of itself."""
    copyright_ = optional_text(resource, "copyright", path)
    return Release(
        source=source,
        version=optional_text(resource, "version", path),
        date=optional_text(resource, "date", path)[:10],
        licence=known_licence(copyright_),
        attribution="\n\n".join(filter(None, (optional_text(resource, "publisher", path), copyright_))),
        url=optional_text(resource, "url", path),
        sha256=sha256,
    )
