"""What a user may ask of every reader, and what becomes of rows that are not what they should be."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ontologies.errors import SourceError

LENIENT = "--lenient leaves out, and counts, what is like this"
EXAMPLES = 3  # errors kept of each kind, for the report


@dataclass(slots=True)
class Problems:
    """Rows that are not what they should be: each an error or, where `lenient`, left out, counted and reported.

    counts: left-out rows by kind. remarks: rows by kind that are odd and were read all the same. examples: the first
    few errors of each kind of either.
    """

    lenient: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[SourceError]] = field(default_factory=dict)

    def found(self, kind: str, error: SourceError) -> None:
        """Raise `error`, or take note of it; the caller then leaves the row out. kind: a short noun phrase."""
        if not self.lenient:
            error.add_note(LENIENT)
            raise error
        self.counts[kind] += 1
        self._show(kind, error)

    def remarked(self, kind: str, error: SourceError) -> None:
        """Take note of what is odd but read all the same."""
        self.remarks[kind] += 1
        self._show(kind, error)

    def _show(self, kind: str, error: SourceError) -> None:
        if len(shown := self.examples.setdefault(kind, [])) < EXAMPLES:
            shown.append(error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which part of a release is read. A reader ignores what its format does not have.

    language: BCP-47 tag of names whose source does not say. prefix: put before bare concept ids of a table.
    sources: vocabularies inside the release (UMLS SAB); empty is all. languages: BCP-47 tags of the names wanted, "es"
    takes "es-MX" too; empty is all. term_types: as the release calls them (UMLS TTY "PT", "SY"); empty is all.
    semantic_types: as the release calls them (UMLS TUI "T047" or name, SNOMED CT semantic tag); empty is all.
    semantic_groups: UMLS semantic groups ("DISO"); empty is all. suppressed: also names that the release advises
    against (UMLS SUPPRESS O, E, Y).
    """

    language: str = ""
    prefix: str = ""
    sources: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    term_types: tuple[str, ...] = ()
    semantic_types: tuple[str, ...] = ()
    semantic_groups: tuple[str, ...] = ()
    suppressed: bool = False
    problems: Problems = field(default_factory=Problems)

    def speaks(self, tag: str) -> bool:
        """Whether names of the language `tag` are wanted."""
        wanted = (want.lower() for want in self.languages)
        return not self.languages or any(tag.lower() == want or tag.lower().startswith(f"{want}-") for want in wanted)
