"""HL7 FHIR R4 `ConceptMap` in JSON: from the codes of one system to those of another, as rows of a crosswalk.

Specification: FHIR R4 (4.0.1), section 4.10, https://hl7.org/fhir/R4/conceptmap.html. R4's `equivalence` says what the
target is to the source; SSSOM's predicates say the same from the source's side. What is `unmatched` or `disjoint`
is no mapping, and neither are the codes that `unmapped` provides for. A target that holds only together with others
(`dependsOn`) is related, whatever its equivalence, since a row of a crosswalk has no conditions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.fhir_resource import prefix_of, release_of
from ontologies.readers.files import digest, uncompressed_name
from ontologies.readers.json_file import Json, json_array, json_object, json_text, optional_text
from ontologies.readers.json_stream import Item, stream_json
from ontologies.readers.mappings import codes_of
from ontologies.readers.options import Options
from ontologies.records import Code, Source

_ELEMENTS = "group[].element[]"
_PREDICATES = {
    "equivalent": "skos:exactMatch",
    "equal": "skos:exactMatch",
    "wider": "skos:broadMatch",
    "subsumes": "skos:broadMatch",
    "narrower": "skos:narrowMatch",
    "specializes": "skos:narrowMatch",
    "inexact": "skos:closeMatch",
    "relatedto": "skos:relatedMatch",
    "unmatched": "",
    "disjoint": "",
}


def read_fhir_conceptmap(path: str | Path, options: Options) -> Source:
    """The mappings of a FHIR R4 ConceptMap, told of source and target alike. Raises `SourceError`."""
    path = Path(path)
    said = {item.field: item.value for item in stream_json(path, _ELEMENTS) if item.key != _ELEMENTS}
    if said.get("resourceType") != "ConceptMap":
        came = str(said.get("resourceType"))[:80]
        raise SourceError(f"expected a ConceptMap, got {came}", path=path, field="resourceType")
    name = optional_text(said, "name", path) or optional_text(said, "id", path) or Path(uncompressed_name(path)).stem
    return Source(
        path=str(path),
        releases=(release_of(said, name, path, digest(path)),),
        records=_records(path, said, options),
    )


def _records(path: Path, said: dict[str, Json], options: Options) -> Iterator[Code]:
    found = False
    for item in stream_json(path, _ELEMENTS):
        if item.key == _ELEMENTS:
            found = True
            yield from _element(item, said, path, options)
    if not found:
        raise SourceError("expected at least one element, got none", path=path, field="group.element")


def _element(item: Item, said: dict[str, Json], path: Path, options: Options) -> Iterator[Code]:
    group = item.field.partition(".")[0]
    source, target = (_prefix(said, f"{group}.{side}", path) for side in ("source", "target"))
    element = json_object(item.value, path, item.field)
    targets = json_array(element.get("target"), path, f"{item.field}.target")
    for i, value in enumerate(targets):
        field = f"{item.field}.target[{i}]"
        mapped = json_object(value, path, field)
        predicate = _predicate(mapped, path, item.line, field, options)
        if predicate:
            subject = source, json_text(element.get("code"), path, f"{item.field}.code")
            code = target, json_text(mapped.get("code"), path, f"{field}.code")
            yield from codes_of(subject, predicate, code, item.line, options)


def _prefix(said: dict[str, Json], field: str, path: Path) -> str:
    return prefix_of(json_text(said.get(field), path, field), path, field)


def _predicate(mapped: dict[str, Json], path: Path, line: int, field: str, options: Options) -> str:
    """SSSOM predicate of a target, or "" where it is none."""
    equivalence = str(mapped.get("equivalence"))
    if equivalence not in _PREDICATES:
        message = f"expected one of {', '.join(_PREDICATES)} (FHIR R4), got {equivalence[:80]}"
        error = SourceError(message, path=path, line=line, field=f"{field}.equivalence")
        options.problems.found("mappings of an unknown equivalence", error)
        return ""
    predicate = _PREDICATES[equivalence]
    return "skos:relatedMatch" if predicate and mapped.get("dependsOn") else predicate
