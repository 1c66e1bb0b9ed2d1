"""Concepts with their names, out of whatever a recipe names: a release, a bundle, or one of ours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from linker.console import progress
from linker.manifest import MANIFEST, read_manifest
from linker.surface import normalise
from linker.terminology import Terminology
from ontologies.readers import read
from ontologies.readers.options import Options
from ontologies.records import Code, Concept, Name, Record, Release, Replacement, Source, TermType
from ontologies.starter import TERMS
from training import smoke
from training.checkpoint import STARTER
from training.recipes import Described, Place


class Ontology(Described):
    """Where concepts are read from.

    path: a file or folder that `linker build` reads, a bundle, `starter` or `invented`. language, prefix: of names and
    concept ids whose source does not say, as for `linker build`.
    """

    path: Place
    language: str = ""
    prefix: str = ""


@dataclass(slots=True)
class Entry:
    """A concept that is in use, with the names that mean it (related names do not) and its codes."""

    concept_id: str
    names: list[Name] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)

    @property
    def ids(self) -> set[str]:
        """What gold may call it: its id, alternates written `A|B` apart, and its codes."""
        return {*self.concept_id.split("|"), *(f"{code.system}:{code.code}" for code in self.codes)}


def read_source(ontology: Ontology) -> Source:
    """The records of an ontology. Raises `SourceError` or `BundleError`."""
    path = Path(ontology.path)
    if (path / MANIFEST).is_file():
        releases = tuple(Release(**release) for release in read_manifest(path)[0].releases)
        return Source(path=str(path), releases=releases, records=_records_of_bundle(path))
    if ontology.path == smoke.NAME:
        return smoke.invented_source()
    if ontology.path == STARTER:
        path = TERMS
    return read(path, Options(language=ontology.language, prefix=ontology.prefix))


def _records_of_bundle(path: Path) -> Iterator[Record]:
    terminology = Terminology(path)
    with progress(f"Reading {path.name}", terminology.concept_count, "concepts") as advance:
        for row in range(terminology.concept_count):
            concept = terminology.concept(terminology.concept_id(row))
            concept_id = concept.concept_id
            yield Concept(concept_id=concept_id, semantic_types=concept.semantic_types, retired=concept.retired)
            for name in concept.names:
                kind = TermType(name.term_type)
                yield Name(concept_id=concept_id, name=name.name, language=name.language, term_type=kind)
            for code in concept.codes:
                yield Code(concept_id=concept_id, system=code.system, code=code.code, relation=code.relation)
            advance(1)


def read_entries(ontologies: Sequence[Ontology]) -> dict[str, Entry]:
    """The concepts of all ontologies together, by id, joined where several have the same id."""
    entries: dict[str, Entry] = {}
    retired: dict[str, bool] = {}  # where all records of a concept say so
    for ontology in ontologies:
        for record in read_source(ontology).records:
            if isinstance(record, Concept):
                retired[record.concept_id] = record.retired and retired.get(record.concept_id, True)
                continue
            if isinstance(record, Replacement):
                continue
            entry = entries.setdefault(record.concept_id, Entry(record.concept_id))
            if isinstance(record, Code):
                entry.codes.append(record)
            elif record.term_type is not TermType.RELATED and normalise(record.name):
                entry.names.append(record)
    return {i: entry for i, entry in sorted(entries.items()) if entry.names and not retired.get(i, False)}
