"""Reads OWL 2 ontologies in RDF/XML, as the OBO Foundry, NCIt and ORDO publish them.

Specification: https://www.w3.org/TR/owl2-mapping-to-rdf/ and https://www.w3.org/TR/rdf-syntax-grammar/. A named class
is a concept, its asserted named superclasses are its parents (a reasoner's work belongs before a release), and
`ontologies.readers.annotations` says what its annotations become. Imports are not followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urljoin
from xml.etree.ElementTree import Element

from ontologies.errors import SourceError
from ontologies.readers.annotations import (
    DEFAULT_NAMESPACE,
    OBO_IN_OWL,
    OWL,
    RDFS,
    AnnotatedClass,
    Statement,
    iso_date,
    records_of,
    short_name,
)
from ontologies.readers.files import digest, uncompressed_name
from ontologies.readers.licences import known_licence
from ontologies.readers.options import Options
from ontologies.readers.xml_stream import XML, root_name, stream_xml
from ontologies.records import Record, Release, Source

_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_CLASS, _ONTOLOGY = f"{{{OWL}}}Class", f"{{{OWL}}}Ontology"
_DUBLIN_CORE = ("http://purl.org/dc/terms/", "http://purl.org/dc/elements/1.1/")


def is_owl(_: Path, head: bytes) -> bool:
    """Whether a file that begins so is RDF/XML."""
    return root_name(head) == "RDF"


def read_owl(path: str | Path, options: Options) -> Source:
    """The ontology's classes. Raises `SourceError` where the document is no RDF/XML, or shows no class."""
    path = Path(path)
    header = _header(path)
    return Source(
        path=str(path),
        releases=(_release(header, path),),
        records=_records(path, options, next(iter(header.get(DEFAULT_NAMESPACE, ())), "")),
    )


def _records(path: Path, options: Options, namespace: str) -> Iterator[Record]:
    found = False
    for child in stream_xml(path):
        if _is_a(child.element, _CLASS) and (iri := _subject(child.element, child.root)):
            found = True
            statements = list(_statements(child.element))
            parents = tuple(_parents(child.element))
            yield from records_of(AnnotatedClass(iri, statements, parents, child.line), options, namespace=namespace)
    if not found:
        raise SourceError("expected at least one owl:Class, got none", path=path)


def _is_a(element: Element, kind: str) -> bool:
    if element.tag != f"{_RDF}Description":
        return element.tag == kind
    return any(t.get(f"{_RDF}resource") == _iri(kind) for t in element.findall(f"{_RDF}type"))


def _subject(element: Element, root: Element) -> str:
    """The IRI that the element is about, or "" of an anonymous one."""
    base = root.get(f"{XML}base", "")
    if name := element.get(f"{_RDF}ID"):
        return f"{base}#{name}"
    about = element.get(f"{_RDF}about", "")
    return about if "://" in about or not about else urljoin(base, about)


def _statements(element: Element) -> Iterator[Statement]:
    for child in element:
        value = child.get(f"{_RDF}resource") or (child.text or "").strip()
        if value:
            yield Statement(_iri(child.tag), value, child.get(f"{XML}lang", ""))


def _parents(element: Element) -> Iterator[str]:
    for child in element.findall(f"{{{RDFS}}}subClassOf"):
        named = [child, *child.findall(_CLASS)]
        yield from filter(None, (e.get(f"{_RDF}resource") or e.get(f"{_RDF}about") for e in named))


def _iri(tag: str) -> str:
    return tag.replace("{", "").replace("}", "")


def _header(path: Path) -> dict[str, list[str]]:
    """What the ontology says of itself, by property; its own IRI under ""."""
    with closing(stream_xml(path)) as children:
        for child in children:
            if child.root.tag != f"{_RDF}RDF":
                raise SourceError(f"expected rdf:RDF, got {child.root.tag}", path=path, line=1)
            if _is_a(child.element, _ONTOLOGY):
                said: dict[str, list[str]] = {"": [_subject(child.element, child.root)]}
                for statement in _statements(child.element):
                    said.setdefault(statement.predicate, []).append(statement.value)
                return said
    return {}


def _release(header: dict[str, list[str]], path: Path) -> Release:
    def first(*predicates: str) -> str:
        return next((header[predicate][0] for predicate in predicates if predicate in header), "")

    def dublin_core(*names: str) -> str:
        return first(*(f"{namespace}{name}" for name in names for namespace in _DUBLIN_CORE))

    licence = dublin_core("license", "licence")
    version_iri = first(f"{OWL}versionIRI")
    version = first(f"{OWL}versionInfo") or version_iri
    dates = (version, version_iri, first(f"{OBO_IN_OWL}date"), dublin_core("issued", "modified", "date"))
    return Release(
        source=short_name(first("") or Path(uncompressed_name(path)).stem),
        version=version,
        date=next(filter(None, map(iso_date, dates)), ""),
        licence=known_licence(licence) or licence,
        attribution=dublin_core("rights", "title"),
        url=first(""),
        sha256=digest(path),
    )
