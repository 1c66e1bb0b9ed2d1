"""Reads OBO graphs in JSON, the serialisation of OBO Foundry ontologies beside OBO and OWL.

Format: https://github.com/geneontology/obographs (schema `obographs-schema.json`). A node of type CLASS is a concept,
its `is_a` edges are its parents, and `ontologies.readers.annotations` says what its metadata becomes. Edges and the
release stand behind the nodes, so the document is read twice: for these, and for the nodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from ontologies.errors import SourceError
from ontologies.readers.annotations import (
    DEFAULT_NAMESPACE,
    DEFINITION,
    DEPRECATED,
    LABEL,
    OBO_IN_OWL,
    XREF,
    AnnotatedClass,
    Statement,
    iso_date,
    records_of,
    short_name,
)
from ontologies.readers.files import digest, uncompressed_name
from ontologies.readers.json_file import Json, json_array, json_flag, json_object, json_text, optional_text
from ontologies.readers.json_stream import Item, stream_json
from ontologies.readers.licences import known_licence
from ontologies.readers.options import Options
from ontologies.records import Record, Release, Source

_NODES, _EDGES = "graphs[].nodes[]", "graphs[].edges[]"
_VERSION_INFO = ("http://www.w3.org/2002/07/owl#versionInfo", "http://purl.obolibrary.org/obo/owl_versionInfo")
_DUBLIN_CORE = ("http://purl.org/dc/terms/", "http://purl.org/dc/elements/1.1/")


def is_obograph(_: Path, head: bytes) -> bool:
    """Whether a file that begins so is a document of OBO graphs."""
    return head.lstrip().startswith(b"{") and b'"graphs"' in head


def read_obograph(path: str | Path, options: Options) -> Source:
    """The classes of all graphs of the document. Raises `SourceError`."""
    path = Path(path)
    parents: dict[str, list[str]] = defaultdict(list)
    about: dict[str, Json] = {}
    for item in stream_json(path, _NODES, _EDGES):
        if item.key == _EDGES:
            edge = json_object(item.value, path, item.field)
            if edge.get("pred") == "is_a":
                subject = json_text(edge.get("sub"), path, f"{item.field}.sub")
                parents[subject].append(json_text(edge.get("obj"), path, f"{item.field}.obj"))
        elif item.field.startswith("graphs[0].") and item.key != _NODES:
            about[item.key.removeprefix("graphs[].")] = item.value
    ontology = optional_text(about, "id", path, "graphs[0]")
    meta = json_object(about.get("meta") or {}, path, "graphs[0].meta")
    said = _properties(meta, path, "graphs[0].meta")
    return Source(
        path=str(path),
        releases=(_release(ontology, meta, said, path),),
        records=_records(path, parents, options, _first(said, DEFAULT_NAMESPACE)),
    )


def _records(path: Path, parents: dict[str, list[str]], options: Options, namespace: str) -> Iterator[Record]:
    found = False
    seen: dict[tuple[str, str], int] = {}
    for item in stream_json(path, _NODES, _EDGES):
        if item.key != _NODES:
            continue
        node = json_object(item.value, path, item.field)
        if node.get("type") != "CLASS":
            continue
        found = True
        iri = json_text(node.get("id"), path, f"{item.field}.id")
        graph = item.field.partition(".")[0]
        if (graph, iri) in seen:
            message = f"expected each class once in a graph, got {iri} on line {seen[graph, iri]} and here"
            raise SourceError(message, path=path, line=item.line, field=f"{item.field}.id")
        seen[graph, iri] = item.line
        cls = AnnotatedClass(iri, list(_statements(node, item, path)), tuple(parents.get(iri, ())), item.line)
        yield from records_of(cls, options, namespace=namespace)
    if not found:
        raise SourceError("expected at least one node of type CLASS, got none", path=path, field="graphs")


def _statements(node: dict[str, Json], item: Item, path: Path) -> Iterator[Statement]:
    if label := optional_text(node, "lbl", path, item.field):
        yield Statement(LABEL, label)
    field = f"{item.field}.meta"
    meta = json_object(node.get("meta") or {}, path, field)
    if meta.get("definition"):
        yield _statement(DEFINITION, meta["definition"], path, f"{field}.definition")
    for place, value in _objects(meta, "synonyms", path, field):
        yield _statement(OBO_IN_OWL + json_text(value.get("pred"), path, f"{place}.pred"), value, path, place)
    for place, value in _objects(meta, "xrefs", path, field):
        yield _statement(XREF, value, path, place)
    yield from _properties(meta, path, field)
    if json_flag(meta, "deprecated", path, field):
        yield Statement(DEPRECATED, "true")


def _properties(meta: dict[str, Json], path: Path, field: str) -> list[Statement]:
    values = _objects(meta, "basicPropertyValues", path, field)
    return [
        _statement(json_text(value.get("pred"), path, f"{place}.pred"), value, path, place)
        for place, value in values
        if value.get("val")
    ]


def _objects(meta: dict[str, Json], key: str, path: Path, field: str) -> list[tuple[str, dict[str, Json]]]:
    """The objects of an array, each with its path in the document."""
    places = [
        (f"{field}.{key}[{i}]", value) for i, value in enumerate(json_array(meta.get(key), path, f"{field}.{key}"))
    ]
    return [(place, json_object(value, path, place)) for place, value in places]


def _statement(predicate: str, value: Json, path: Path, field: str) -> Statement:
    said = json_object(value, path, field)
    return Statement(
        predicate, json_text(said.get("val"), path, f"{field}.val"), optional_text(said, "lang", path, field)
    )


def _first(said: list[Statement], *predicates: str) -> str:
    return next((s.value for predicate in predicates for s in said if s.predicate == predicate), "")


def _release(ontology: str, meta: dict[str, Json], said: list[Statement], path: Path) -> Release:
    def dublin_core(name: str) -> str:
        return _first(said, *(f"{namespace}{name}" for namespace in _DUBLIN_CORE))

    licence = dublin_core("license")
    version_iri = optional_text(meta, "version", path, "graphs[0].meta")
    version = _first(said, *_VERSION_INFO) or version_iri
    dates = (version, version_iri, _first(said, f"{OBO_IN_OWL}date"))
    return Release(
        source=short_name(ontology or Path(uncompressed_name(path)).stem),
        version=version,
        date=next(filter(None, map(iso_date, dates)), ""),
        licence=known_licence(licence) or licence,
        attribution=dublin_core("rights") or dublin_core("title"),
        url=ontology,
        sha256=digest(path),
    )
