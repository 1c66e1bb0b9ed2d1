"""Reads SNOMED CT in Release Format 2: a folder or .zip file of a Snapshot or Full, of an edition or an extension.

Format: https://docs.snomed.org/snomed-ct-specifications/snomed-ct-release-file-specification. Files are known by their
columns, wherever they lie. Where a release has both, the Snapshot is read; of a Full, the latest row of each id. The
files of an edition and its extensions may lie in one folder, which then is one release of several modules: of what
several of them tell, the latest row counts. Read alone, an extension refers to concepts of other sources. That works
too, but only one folder lets a filter on languages or semantic types see all.

A concept's parents are its active is-a relationships as inferred; its semantic type the tag of its fully specified
name. Inactive concepts are retired concepts, with what the historical associations put in their place. Not read: OWL
expressions, attributes other than is-a, concrete values, and reference sets that are no language, association or map.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from ontologies.errors import SourceError
from ontologies.readers.options import Options, Problems
from ontologies.readers.rf2 import layout
from ontologies.readers.rf2.descriptions import (
    NO_TAG,
    NOT_TOLD,
    Acceptability,
    Descriptions,
    Flags,
    choose,
    first_of_each,
    read_descriptions,
    terms,
)
from ontologies.readers.rf2.layout import File, Kind, find_files, is_rf2
from ontologies.readers.rf2.metadata import CORE_MODULE, DEFINITION, FULLY_SPECIFIED
from ontologies.readers.rf2.relations import PREFIX, codes, parents, replacements
from ontologies.readers.rf2.release import describe
from ontologies.readers.rf2.rows import Numbers, Rows
from ontologies.readers.rf2.sctid import namespace
from ontologies.readers.rf2.states import Columns, common, latest, newest, stacked, taken, without_bad_ids
from ontologies.records import Concept, Name, Record, Source, TermType

__all__ = ["is_rf2", "read_rf2"]

_TERM_TYPES = (TermType.SYNONYM, TermType.PREFERRED, TermType.FULLY_SPECIFIED)
_FULLY_SPECIFIED = 2  # in these, after whether it is preferred


def read_rf2(path: str | Path, options: Options) -> Source:
    """The records of a release. Concepts, and what there is to know of descriptions but their terms, are read at once.

    Concepts of which no name is in a wanted language, or that are not of a wanted semantic type, are left out. Raises
    `SourceError`.
    """
    path = Path(path)
    files: dict[Kind, list[File]] = {kind: [] for kind in layout.KINDS}
    for file in find_files(path):
        files[file.kind].append(file)
    for kind, other in ((layout.CONCEPT, layout.DESCRIPTION), (layout.DESCRIPTION, layout.CONCEPT)):
        if files[kind] and not files[other]:
            raise SourceError(f"expected a file of {other.contents}, got only one of {kind.contents}", path=path)
    concepts = _Concepts.read(files[layout.CONCEPT], options.problems)
    descriptions = read_descriptions(files[layout.DESCRIPTION], options.problems)
    modules = Counter(concepts.modules) | Counter(descriptions.modules)  # the latest of both
    release = describe(path, [*chain(*files.values())], files[layout.DEPENDENCY], modules, options.problems)
    return Source(path=str(path), releases=(release,), records=_records(files, concepts, descriptions, options))


@dataclass(frozen=True, slots=True)
class _Concepts:
    """The present state of all concepts, sorted by id. own: namespaces whose concepts are all here."""

    ids: Numbers
    active: Flags
    lines: Numbers
    own: Numbers
    modules: dict[int, int]

    @classmethod
    def read(cls, files: list[File], problems: Problems) -> _Concepts:
        rows = stacked(layout.CONCEPT, files, problems, _concept)
        # an extension may have taken over some concept of the core, which does not bring the others
        spaces = namespace(rows["id"])
        own = np.unique(spaces[(spaces != 0) | (rows["module"] == CORE_MODULE)])
        modules = newest(rows)
        known = latest(without_bad_ids(rows, "concept", files, problems))
        return cls(known["id"], known["active"], known["line"], own, modules)

    def places(self, ids: Numbers) -> Numbers:
        """Where each id is, -1 where it is not."""
        if not len(self.ids):
            return np.full(len(ids), -1)
        place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.asarray(np.where(self.ids[place] == ids, place, -1))


def _concept(rows: Rows) -> Columns:
    return {**common(rows), "module": rows.numbers["moduleId"]}


def _records(
    files: dict[Kind, list[File]], concepts: _Concepts, descriptions: Descriptions, options: Options
) -> Iterator[Record]:
    problems = options.problems
    _leave_out_orphans(descriptions, concepts, problems)
    tags = _tags(descriptions, concepts)
    languages = choose(descriptions, Acceptability(files[layout.LANGUAGE], options), options)
    is_wanted = _of_wanted_type(tags, options)
    columns = descriptions.columns
    place = concepts.places(columns["concept"])
    is_told = (columns["language"] != NOT_TOLD) & is_wanted[place]  # the last one is for concepts that are not here
    columns = taken(columns | {"place": place}, is_told)
    names, definitions = _names_and_definitions(columns)
    is_named = np.zeros(len(concepts.ids) + 1, dtype=bool)
    is_named[names["place"]] = True
    is_named[-1] = False
    left_out = concepts.ids[~is_named[:-1]]
    yield from _told_concepts(concepts, is_named, tags, left_out, parents(files[layout.RELATIONSHIP], problems))
    yield from _names(replace(descriptions, columns=names), languages)
    definitions = taken(definitions, is_named[definitions["place"]])
    yield from _definitions(replace(descriptions, columns=definitions), concepts)
    yield from codes(files[layout.MAP], left_out, problems)
    yield from replacements(files[layout.ASSOCIATION], concepts.ids[concepts.active], problems)


def _names_and_definitions(columns: Columns) -> tuple[Columns, Columns]:
    """The descriptions that are names, and of those that are definitions the first of each concept."""
    is_definition = columns["type"] == DEFINITION
    rows = np.flatnonzero(is_definition)
    return taken(columns, ~is_definition), taken(columns, rows[first_of_each((columns["concept"][rows],), (rows,))])


def _leave_out_orphans(descriptions: Descriptions, concepts: _Concepts, problems: Problems) -> None:
    """Descriptions of concepts that are nowhere although their namespace is here; others may be of another source."""
    columns = descriptions.columns
    is_orphan = (concepts.places(columns["concept"]) < 0) & np.isin(namespace(columns["concept"]), concepts.own)
    for row in np.flatnonzero(is_orphan):
        message = f"expected a concept of this release, got {columns['concept'][row]}, which no Concept file has"
        path, line = descriptions.files[columns["file"][row]].path, int(columns["line"][row])
        problems.found("orphaned description", SourceError(message, path=path, line=line, field="conceptId"))
    descriptions.columns = taken(columns, ~is_orphan)


def _tags(descriptions: Descriptions, concepts: _Concepts) -> list[str]:
    """The semantic tag of each concept, of its English name rather than another, and of the latest; "" if it has none.

    One more for a concept that is not here.
    """
    columns = descriptions.columns
    rows = np.flatnonzero((columns["type"] == FULLY_SPECIFIED) & (columns["tag"] != NO_TAG))
    place = concepts.places(columns["concept"][rows])
    english = np.array([text.lower().startswith("en") for text in descriptions.languages.texts] or [False])
    order = (~english[columns["language"][rows]], -columns["time"][rows], rows)
    first = first_of_each((place,), order)
    tags = np.full(len(concepts.ids) + 1, NO_TAG, dtype=np.int32)
    tags[place[first]] = columns["tag"][rows[first]]
    tags[-1] = NO_TAG
    return [descriptions.tags.texts[tag] for tag in tags.tolist()]


def _of_wanted_type(tags: list[str], options: Options) -> Flags:
    wanted = {tag.lower() for tag in options.semantic_types}
    return np.array([not wanted or tag.lower() in wanted for tag in tags], dtype=bool)


def _told_concepts(
    concepts: _Concepts, is_told: Flags, tags: list[str], left_out: Numbers, is_a: tuple[Numbers, Numbers]
) -> Iterator[Concept]:
    is_kept = ~np.isin(is_a[1], left_out)
    children, above = is_a[0][is_kept], is_a[1][is_kept].tolist()
    begins = np.searchsorted(children, concepts.ids, side="left").tolist()
    ends = np.searchsorted(children, concepts.ids, side="right").tolist()
    told = zip(concepts.ids.tolist(), concepts.active.tolist(), concepts.lines.tolist(), strict=True)
    for row, (concept, active, line) in enumerate(told):
        if is_told[row]:
            yield Concept(
                concept_id=f"{PREFIX}:{concept}",
                semantic_types=(tags[row],) if tags[row] else (),
                parents=tuple(f"{PREFIX}:{parent}" for parent in above[begins[row] : ends[row]]),
                retired=not active,
                line=line,
            )


def _names(descriptions: Descriptions, languages: list[str]) -> Iterator[Name]:
    for columns, texts in terms(descriptions):
        kinds = np.where(columns["type"] == FULLY_SPECIFIED, _FULLY_SPECIFIED, columns["preferred"]).tolist()
        told = zip(columns["concept"].tolist(), columns["language"].tolist(), columns["line"].tolist(), strict=True)
        for kind, text, (concept, language, line) in zip(kinds, texts, told, strict=True):
            yield Name(
                concept_id=f"{PREFIX}:{concept}",
                name=text,
                language=languages[language],
                term_type=_TERM_TYPES[kind],
                line=line,
            )


def _definitions(descriptions: Descriptions, concepts: _Concepts) -> Iterator[Concept]:
    """One of each concept."""
    for columns, texts in terms(descriptions):
        retired = ~concepts.active[columns["place"]]
        for concept, text, line, is_retired in zip(
            columns["concept"].tolist(), texts, columns["line"].tolist(), retired.tolist(), strict=True
        ):
            yield Concept(concept_id=f"{PREFIX}:{concept}", definition=text, retired=is_retired, line=line)
