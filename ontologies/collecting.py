"""From the records of several sources to the tables of a bundle: joined by concept id, checked, sorted.

A release may be larger than memory, so records are spilled to a folder as they come (`ontologies.spilling`) and joined
there by a database (`ontologies.joining`). What comes out depends on the records and their order alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc

from linker.accents import unaccented
from linker.language import UNDETERMINED
from linker.surface import normalise
from linker.tables import map_table
from ontologies.abbreviations import SOURCE, Abbreviations, Expander
from ontologies.joining import Joined, join
from ontologies.readers.options import Problems
from ontologies.records import Code, Concept, Name, Release, Source, TermType
from ontologies.spilling import SCHEMAS, Spill

_RANKS = {term_type: term_type.rank for term_type in TermType}


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a bundle, memory-mapped from the files `<name>.arrow` in the folder they were collected in.

    skipped: names left out because they hold no letter, digit or symbol. problems: what a lenient build left out.
    joined: what became of the records beside the tables.
    """

    concepts: pa.Table
    names: pa.Table
    crosswalk: pa.Table
    exact: pa.Table
    replacements: pa.Table
    releases: tuple[Release, ...]
    skipped: int
    problems: Problems
    joined: Joined

    def languages(self) -> dict[str, int]:
        """How many names each language has."""
        return _counted(self.names["language"])

    def systems(self) -> dict[str, int]:
        """How many codes each vocabulary has."""
        return _counted(self.crosswalk["system"])


def collect(
    sources: Iterable[Source],
    *,
    folder: Path | None = None,
    language: str = "",
    abbreviations: Sequence[Abbreviations] = (),
    lenient: bool = False,
    merge: bool = False,
    threads: int = 1,
) -> Tables:
    """The tables of all sources together.

    folder: to be made for the tables and what they are made from; a temporary one if None. language: of names whose
    source does not say. abbreviations: lists of short forms, see `ontologies.abbreviations`. lenient: leave out, and
    count, parents and concepts that no source defines, concepts without a name, parents and replacements in a circle,
    instead of refusing them. merge: concepts that exact matches join become one.

    Raises `SourceError` (those, or what a reader found), or `BuildError` (nothing to link to, or no space).
    """
    if folder is None:
        with TemporaryDirectory() as temporary:  # what is mapped outlives it
            kept = Path(temporary)
            return collect(
                sources,
                folder=kept,
                language=language,
                abbreviations=abbreviations,
                lenient=lenient,
                merge=merge,
                threads=threads,
            )
    collector = Collector(folder, language=language, abbreviations=abbreviations)
    for source in sources:
        collector.add(source)
    return collector.tables(problems=Problems(lenient=lenient), merge=merge, threads=threads)


class Collector:
    """Takes records of any number of sources; `tables()` gives what a bundle is made of."""

    def __init__(self, folder: Path, *, language: str = "", abbreviations: Sequence[Abbreviations] = ()) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._language = language or UNDETERMINED
        self._spills = {kind: Spill(kind, folder) for kind in SCHEMAS}
        self._releases: list[Release] = []
        self._paths: list[str] = []
        self._origins: dict[str, int] = {}
        self._skipped = 0
        self._lists = abbreviations
        self._expanders = [Expander(one.meanings) for one in abbreviations]

    def add(self, source: Source) -> None:
        """Read a source to its end. Raises `SourceError`, or `BuildError` where there is no space."""
        path = len(self._paths)
        self._paths.append(source.path)
        self._releases.extend(source.releases)
        origin = "+".join(release.source for release in source.releases)
        for record in source.records:
            if isinstance(record, Name):
                self._add_name(record, path, self._origin(record.source or origin))
            elif isinstance(record, Code):
                self._add_code(record, path, self._origin(record.source or origin))
            elif isinstance(record, Concept):
                self._add_concept(record, path)
            else:
                row = (record.concept_id, record.replaced_by, record.relation, path, record.line)
                self._spills["replacement"].append(row)

    def _origin(self, origin: str) -> int:
        return self._origins.setdefault(origin, len(self._origins))

    def _add_name(self, name: Name, path: int, origin: int) -> None:
        key = normalise(name.name)
        self._skipped += not key
        language, rank = name.language or self._language, _RANKS[name.term_type]
        row = (name.concept_id, name.name, key, unaccented(key), language, rank, origin, path, name.line)
        self._spills["name"].append(row)
        for expander in self._expanders:
            expander.see(name.concept_id, key, language, rank)

    def _add_code(self, code: Code, path: int, origin: int) -> None:
        place = (path, code.line)
        row = (code.concept_id, code.system, code.code, code.relation, origin, code.confidence, *place)
        self._spills["code"].append(row)

    def _add_concept(self, concept: Concept, path: int) -> None:
        concept_id, line = concept.concept_id, concept.line
        self._spills["concept"].append((concept_id, concept.definition, concept.retired, path, line))
        for semantic_type in concept.semantic_types:
            self._spills["semantic_type"].append((concept_id, semantic_type))
        for parent in concept.parents:
            self._spills["parent"].append((concept_id, parent, path, line))

    def _add_short_forms(self) -> None:
        expanders, self._expanders = self._expanders, []
        for listed, expander in zip(self._lists, expanders, strict=True):
            path, names = len(self._paths), list(expander.names())
            self._paths.append(str(listed.path))
            self._releases += [listed.release] * bool(names)
            for name in names:
                self._add_name(name, path, self._origin(SOURCE))

    def tables(self, *, problems: Problems, merge: bool = False, threads: int = 1) -> Tables:
        """The sorted tables. Raises `SourceError` or `BuildError`, see `collect`."""
        self._add_short_forms()
        for spill in self._spills.values():
            spill.close()
        origins = [*self._origins]
        joined = join(self._folder, paths=self._paths, origins=origins, problems=problems, merge=merge, threads=threads)
        for spill in self._spills.values():
            spill.path.unlink()
        return Tables(
            concepts=map_table(self._folder / "concepts.arrow"),
            names=map_table(self._folder / "names.arrow"),
            crosswalk=map_table(self._folder / "crosswalk.arrow"),
            exact=map_table(self._folder / "exact.arrow"),
            replacements=map_table(self._folder / "replacements.arrow"),
            releases=tuple(self._releases),
            skipped=self._skipped,
            problems=problems,
            joined=joined,
        )


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    return dict(sorted((entry["values"], entry["counts"]) for entry in pc.value_counts(column).to_pylist()))
