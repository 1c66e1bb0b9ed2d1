"""The neutral records every reader gives: what a release says, whatever its format.

A reader is a function from a path to a `Source`. Its records refer to one another by concept id, and carry the line
they came from so that a later error (a missing parent, a cycle) can still name it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class TermType(StrEnum):
    """What a name is to its concept, the most telling first."""

    PREFERRED = "preferred"
    FULLY_SPECIFIED = "fully_specified"
    SYNONYM = "synonym"
    RELATED = "related"  # OBO's broad, narrow and related scopes: evidence, not equivalence

    @property
    def rank(self) -> int:
        """Place in this order, from 0: of names that are the same, the lowest is kept."""
        return tuple(TermType).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One published version of an ontology, and what its licence asks for.

    source: short name, the prefix of its concept ids where it has one ("MONDO", "SNOMEDCT").
    version: as the publisher writes it; "" when the file does not say.
    date: ISO 8601 or "".
    licence: SPDX identifier or the publisher's own words; "" when the file does not say.
    sha256: of the file it was read from (hexadecimal).
    """

    source: str
    version: str = ""
    date: str = ""
    licence: str = ""
    attribution: str = ""
    url: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One meaning in an ontology. Its preferred name is its first `Name` of type PREFERRED (else its first name).

    A reader may tell a concept in several records, as the files of its release do: types, parents and definitions then
    add up, and it is retired where all of them say so.
    """

    concept_id: str
    semantic_types: tuple[str, ...] = ()
    definition: str = ""
    parents: tuple[str, ...] = ()
    retired: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """One name of a concept.

    language: BCP-47 tag, or "" where the source does not say (`linker build --language` then does).
    source: the release it comes from, "" for all that its `Source` stands for.
    """

    concept_id: str
    name: str
    language: str = ""
    term_type: TermType = TermType.SYNONYM
    source: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One row of a crosswalk: the concept's code in another vocabulary.

    system: prefix of the target vocabulary ("SNOMEDCT", "UMLS", "MESH", "ICD10CM").
    relation: SSSOM predicate, a CURIE such as "skos:exactMatch" or "oboInOwl:hasDbXref". source: as that of a name.
    confidence: of a mapping, in [0, 1], where its source states one.
    """

    concept_id: str
    system: str
    code: str
    relation: str = "skos:exactMatch"
    source: str = ""
    confidence: float | None = None
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A concept id that a release has retired or merged, and what to use instead; `concept_id` need not be a concept.

    relation: how sure that is, in the words of the release ("SAME_AS", "POSSIBLY_EQUIVALENT_TO", "RB").
    """

    concept_id: str
    replaced_by: str
    relation: str = ""
    line: int = 0


Record = Concept | Name | Code | Replacement


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a reader found: the releases it stands for, and its records in any order (read once, lazily).

    Iterating `records` may raise `ontologies.errors.SourceError`.
    """

    path: str
    releases: tuple[Release, ...]
    records: Iterable[Record]
