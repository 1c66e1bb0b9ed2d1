"""HL7 FHIR R4 `CodeSystem` in JSON: a code system with its concepts, or a supplement with more names for another's.

Specification: FHIR R4 (4.0.1), section 4.8, https://hl7.org/fhir/R4/codesystem.html. Concepts are read as a stream, one
at a time of the outermost. A concept inside another is its child, and so is one whose property is `parent`, unless
`hierarchyMeaning` says that nesting is no generalisation. A concept is retired where its property `inactive` is true or
its `status` is "retired"; headings (`notSelectable`) are concepts too, since others hang from them.

A supplement's displays and designations are names of concepts that it does not define. A property `child` is not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.fhir_resource import Coding, prefix_of, release_of
from ontologies.readers.files import digest
from ontologies.readers.json_file import Json, json_array, json_object, json_text, optional_text
from ontologies.readers.json_stream import stream_json
from ontologies.readers.options import Options
from ontologies.records import Concept, Record, Source

_CONCEPTS = "concept[]"
_PROPERTY_URI = "http://hl7.org/fhir/concept-properties#"
_NOT_IS_A = frozenset(("grouped-by", "part-of"))
_GONE = frozenset(("inactive", "retired"))  # codes of the property `status`


@dataclass(frozen=True, slots=True)
class _Properties:
    """The properties of a concept that mean something here."""

    parents: tuple[str, ...]
    retired: bool


def read_fhir_codesystem(path: str | Path, options: Options) -> Source:
    """The concepts that a FHIR R4 CodeSystem lists. `options.prefix` replaces the one that its URL stands for.

    Raises `SourceError`, also where the resource leaves its concepts out (`content`: not-present).
    """
    path = Path(path)
    resource = {item.key: item.value for item in stream_json(path, _CONCEPTS) if item.key != _CONCEPTS}
    if resource.get("resourceType") != "CodeSystem":
        came = str(resource.get("resourceType"))[:80]
        raise SourceError(f"expected a CodeSystem, got {came}", path=path, field="resourceType")
    if resource.get("content") == "not-present":
        raise SourceError("expected a code system with its concepts, got not-present", path=path, field="content")
    key = "supplements" if resource.get("content") == "supplement" else "url"
    prefix = options.prefix or prefix_of(json_text(resource.get(key), path, key), path, key)
    reader = _Reader(path, resource, prefix, options)
    return Source(
        path=str(path), releases=(release_of(resource, prefix, path, digest(path)),), records=reader.records()
    )


class _Reader:
    def __init__(self, path: Path, resource: dict[str, Json], prefix: str, options: Options) -> None:
        self._path = path
        self._prefix = prefix
        self._options = options
        self._language = optional_text(resource, "language", path) or options.language
        self._supplement = resource.get("content") == "supplement"
        self._nested = resource.get("hierarchyMeaning") not in _NOT_IS_A
        self._roles = _roles(resource, path)

    def records(self) -> Iterator[Record]:
        seen: dict[str, str] = {}
        for item in stream_json(self._path, _CONCEPTS):
            if item.key == _CONCEPTS:
                yield from self._concept(item.value, item.line, item.field, (), seen)
        if not seen:
            raise SourceError("expected at least one concept, got none", path=self._path, field="concept")

    def _concept(
        self, value: Json, line: int, field: str, parents: tuple[str, ...], seen: dict[str, str]
    ) -> Iterator[Record]:
        entry = json_object(value, self._path, field)
        code = json_text(entry.get("code"), self._path, f"{field}.code")
        coding = Coding(
            f"{self._prefix}:{code}", optional_text(entry, "display", self._path, field), entry, line, field
        )
        first = seen.setdefault(code, field)
        if first == field:
            yield from self._told(coding, parents)
        else:
            message = f"expected each code once, got {code} again (first at {first})"
            self._found("repeated codes", message, line, f"{field}.code")
        children = json_array(entry.get("concept"), self._path, f"{field}.concept")
        inside = (coding.concept_id,) if self._nested else ()
        for i, child in enumerate(children):
            yield from self._concept(child, line, f"{field}.concept[{i}]", inside, seen)

    def _told(self, coding: Coding, parents: tuple[str, ...]) -> Iterator[Record]:
        names = [n for n in coding.names(self._language, self._path) if self._options.speaks(n.language)]
        if self._supplement:
            yield from names
            return
        if not names:
            if not self._options.languages:
                message = f"expected a display or a designation of {coding.concept_id}, got neither"
                self._found("concepts without a name", message, coding.line, f"{coding.field}.display")
            return
        properties = self._properties(coding)
        yield Concept(
            concept_id=coding.concept_id,
            semantic_types=coding.semantic_types,
            definition=optional_text(coding.entry, "definition", self._path, coding.field),
            parents=tuple(dict.fromkeys(parents + properties.parents)),
            retired=properties.retired,
            line=coding.line,
        )
        yield from names

    def _properties(self, coding: Coding) -> _Properties:
        parents, retired = [], False
        field = f"{coding.field}.property"
        for i, value in enumerate(json_array(coding.entry.get("property"), self._path, field)):
            said = json_object(value, self._path, f"{field}[{i}]")
            match self._roles.get(str(said.get("code"))):
                case "parent":
                    code = json_text(said.get("valueCode"), self._path, f"{field}[{i}].valueCode")
                    parents.append(f"{self._prefix}:{code}")
                case "inactive":
                    retired |= said.get("valueBoolean") is True
                case "status":
                    retired |= said.get("valueCode") in _GONE
        return _Properties(tuple(parents), retired)

    def _found(self, kind: str, message: str, line: int, field: str) -> None:
        self._options.problems.found(kind, SourceError(message, path=self._path, line=line, field=field))


def _roles(resource: dict[str, Json], path: Path) -> dict[str, str]:
    """What FHIR calls each property of this code system: by the URI it declares, else by its own code."""
    roles = {role: role for role in ("parent", "inactive", "status")}
    for i, value in enumerate(json_array(resource.get("property"), path, "property")):
        declared = json_object(value, path, f"property[{i}]")
        uri = optional_text(declared, "uri", path, f"property[{i}]")
        if uri.startswith(_PROPERTY_URI):
            roles[json_text(declared.get("code"), path, f"property[{i}].code")] = uri.removeprefix(_PROPERTY_URI)
    return roles
