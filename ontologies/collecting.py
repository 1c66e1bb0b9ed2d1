"""From the records of several sources to the tables of a bundle: joined by concept id, checked, sorted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from linker.surface import normalise
from linker.terminology import CONCEPTS_SCHEMA, CROSSWALK_SCHEMA, EXACT_SCHEMA, NAMES_SCHEMA
from ontologies.errors import BuildError, SourceError
from ontologies.hierarchy import check_parents, with_known_parents
from ontologies.records import Code, Concept, Name, Release, Replacement, Source, TermType

UNDETERMINED = "und"  # BCP-47 for a language nobody stated


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a bundle, in its schemas, and the releases they come from.

    normalised: the normalised form of each name, aligned with `names`.
    skipped: names left out because they hold no letter, digit or symbol.
    """

    concepts: pa.Table
    names: pa.Table
    crosswalk: pa.Table
    normalised: list[str]
    releases: tuple[Release, ...]
    skipped: int

    @property
    def exact(self) -> pa.Table:
        """Normalised names in code-point order with their name rows."""
        order = sorted(range(len(self.normalised)), key=self.normalised.__getitem__)
        keys = [self.normalised[row] for row in order]
        return pa.table({"normalised": keys, "name": np.array(order, dtype=np.int32)}, schema=EXACT_SCHEMA)

    def languages(self) -> dict[str, int]:
        """How many names each language has."""
        return dict(sorted(Counter(self.names["language"].to_pylist()).items()))


@dataclass(slots=True)
class _Gathered:
    names: dict[tuple[str, str], tuple[Name, str]] = field(default_factory=dict)
    codes: dict[tuple[str, str, str], str] = field(default_factory=dict)
    first_name: tuple[str, int, str] = ("", 0, "")


class Collector:
    """Takes records of any number of sources; `tables()` gives what a bundle is made of."""

    def __init__(self, *, language: str = "", lenient: bool = False) -> None:
        self._language = language
        self._lenient = lenient
        self._gathered: dict[str, _Gathered] = {}
        self._concepts: list[tuple[Concept, str]] = []
        self._releases: list[Release] = []
        self._skipped = 0

    def add(self, source: Source) -> None:
        """Read a source to its end. Raises `SourceError`."""
        self._releases.extend(source.releases)
        origin = "+".join(release.source for release in source.releases)
        for record in source.records:
            if isinstance(record, Replacement):
                continue
            gathered = self._gathered.setdefault(record.concept_id, _Gathered())
            if isinstance(record, Concept):
                self._concepts.append((record, source.path))
            elif isinstance(record, Name):
                self._add_name(gathered, record, source.path, record.source or origin)
            elif isinstance(record, Code):
                _add_code(gathered, record, record.source or origin)

    def _add_name(self, gathered: _Gathered, name: Name, path: str, origin: str) -> None:
        gathered.first_name = gathered.first_name if gathered.first_name[2] else (path, name.line, name.name)
        key = normalise(name.name)
        if not key:
            self._skipped += 1
            return
        spoken = replace(name, language=name.language or self._language or UNDETERMINED)
        known = gathered.names.get((key, spoken.language))
        if known is None or spoken.term_type.rank < known[0].term_type.rank:
            gathered.names[key, spoken.language] = (spoken, origin)

    def tables(self) -> Tables:
        """The sorted tables. Raises `SourceError` (no name, unknown concept, bad parents) or `BuildError` (nothing)."""
        defined = self._defined()
        ordered = [(concept_id, self._gathered[concept_id]) for concept_id in sorted(self._gathered)]
        concepts, names, codes, normalised = [], [], [], []
        for row, (concept_id, gathered) in enumerate(ordered):
            concept = _checked(concept_id, defined.get(concept_id), gathered)
            ranked = sorted(gathered.names.items(), key=lambda item: (item[1][0].term_type.rank, *item[0]))
            shown = _preferred(gathered) or gathered.first_name[2]
            concepts.append(
                {
                    "concept_id": concept_id,
                    "preferred_name": shown,
                    "semantic_types": list(concept.semantic_types),
                    "definition": concept.definition,
                    "parents": list(concept.parents),
                    "retired": concept.retired,
                }
            )
            codes += [(row, *key, origin) for key, origin in sorted(gathered.codes.items())]
            if not concept.retired:  # a retired concept can be looked up, and is never an answer
                names += [(name.name, row, name.language, str(name.term_type), origin) for _, (name, origin) in ranked]
                normalised += [key for (key, _), _ in ranked]
        if not names:
            raise BuildError("the sources hold no name to link to; expected at least one concept with a name")
        return Tables(
            concepts=pa.Table.from_pylist(concepts, schema=CONCEPTS_SCHEMA),
            names=_table(names, NAMES_SCHEMA),
            crosswalk=_table(codes, CROSSWALK_SCHEMA),
            normalised=normalised,
            releases=tuple(self._releases),
            skipped=self._skipped,
        )

    def _defined(self) -> dict[str, tuple[Concept, str]]:
        """Each concept as its records say together, with the path of the first. Raises `SourceError` on bad parents."""
        concepts = self._concepts
        if self._lenient:
            known = {concept.concept_id for concept, _ in concepts}
            concepts = [(with_known_parents(concept, known), path) for concept, path in concepts]
        check_parents(concepts)
        defined: dict[str, tuple[Concept, str]] = {}
        for concept, path in concepts:
            known_as = defined.get(concept.concept_id)
            defined[concept.concept_id] = (_joined(known_as[0], concept), known_as[1]) if known_as else (concept, path)
        return defined


def collect(sources: Iterable[Source], *, language: str = "", lenient: bool = False) -> Tables:
    """The tables of all sources together.

    language: of names whose source does not say. lenient: drop parents that no source defines, instead of refusing.
    """
    collector = Collector(language=language, lenient=lenient)
    for source in sources:
        collector.add(source)
    return collector.tables()


def _joined(known: Concept, new: Concept) -> Concept:
    return replace(
        known,
        semantic_types=tuple(dict.fromkeys(known.semantic_types + new.semantic_types)),
        definition=known.definition or new.definition,
        parents=tuple(dict.fromkeys(known.parents + new.parents)),
        retired=known.retired and new.retired,
    )


def _add_code(gathered: _Gathered, code: Code, origin: str) -> None:
    gathered.codes.setdefault((code.system, code.code, code.relation), origin)


def _preferred(gathered: _Gathered) -> str:
    """The first preferred name, else the first name: as the sources order them."""
    names = [name for name, _ in gathered.names.values()]
    return next((n.name for n in names if n.term_type is TermType.PREFERRED), names[0].name if names else "")


def _checked(concept_id: str, defined: tuple[Concept, str] | None, gathered: _Gathered) -> Concept:
    path, line, name = gathered.first_name
    if defined is None:
        message = f"names or codes of {concept_id!r}, which no source defines"
        raise SourceError(message, path=path or "?", line=line, field="concept_id")
    concept, concept_path = defined
    if not name:
        message = f"{concept_id!r} has no name; expected at least one"
        raise SourceError(message, path=concept_path, line=concept.line, field="name")
    return concept


def _table(rows: Sequence[tuple[object, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    return pa.table([pa.array(column, type=f.type) for column, f in zip(columns, schema, strict=True)], schema=schema)
