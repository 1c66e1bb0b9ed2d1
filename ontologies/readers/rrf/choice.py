"""Which rows of the file of names are read: the kinds that the filters leave, and which of their names is preferred."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from linker.identifiers import canonical_prefix
from ontologies.errors import SourceError
from ontologies.readers.options import Options, Problems
from ontologies.readers.rrf import rows as rrf
from ontologies.readers.rrf.languages import language_tag
from ontologies.readers.rrf.survey import Kind
from ontologies.records import TermType

RANK = rrf.columns("RANK SAB TTY SUPPRESS")
FULLY_SPECIFIED = b"FN"  # TTY: full form of descriptor, SNOMED CT's fully specified name

Ranks = dict[tuple[bytes, ...], int]


class Wanted(NamedTuple):
    """What becomes of the rows of a kind. tag: None where the language is none. order: the least is preferred."""

    vocabulary: str
    system: str
    tag: str | None
    named: bool
    term_type: TermType
    order: tuple[int, int]


def read_ranks(path: Path | None, problems: Problems) -> Ranks:
    """MRRANK: the rank of vocabulary, term type and suppression; the highest is preferred."""
    ranks: Ranks = {}
    for number, fields in rrf.rows(path, RANK, problems) if path else ():
        if fields[0].isdigit():
            ranks[tuple(fields[1:4])] = int(fields[0])
        else:
            message = f"expected a number, got {fields[0].decode(errors='replace')!r}"
            error = SourceError(message, path=path or "", line=number, field="RANK")
            problems.found("rank that is no number", error)
    return ranks


def choose(
    kinds: Iterable[Kind], options: Options, ranks: Ranks, preference: Callable[[bytes, bytes], int]
) -> dict[tuple[bytes, ...], Wanted]:
    """What becomes of the rows of each kind. preference: see `Layout`."""
    return {tuple(kind): _wanted(kind, options, ranks, preference) for kind in sorted(kinds)}


def _wanted(kind: Kind, options: Options, ranks: Ranks, preference: Callable[[bytes, bytes], int]) -> Wanted:
    tag = language_tag(kind.language, kind.vocabulary)
    named = tag is not None and options.speaks(tag or options.language)
    rank = ranks.get((kind.vocabulary, kind.term_type, kind.suppressed), 0)
    return Wanted(
        vocabulary=kind.vocabulary.decode(errors="replace"),
        system=original(kind.vocabulary, kind.language),
        tag=tag if tag is None else tag or options.language,
        named=named and (not options.term_types or kind.term_type.decode(errors="replace") in options.term_types),
        term_type=TermType.FULLY_SPECIFIED if kind.term_type == FULLY_SPECIFIED else TermType.SYNONYM,
        order=(_place(tag or "", options), -(rank or preference(kind.vocabulary, kind.term_type))),
    )


def _place(tag: str, options: Options) -> int:
    """Of names in several languages the first one wanted is shown; English, where the filter does not say."""
    wanted = [language.lower() for language in options.languages] or ["en"]
    spoken = tag.lower()
    return next((i for i, want in enumerate(wanted) if spoken == want or spoken.startswith(f"{want}-")), len(wanted))


def original(vocabulary: bytes, language: bytes) -> str:
    """The prefix of a vocabulary's codes: for a translation (MSHSPA, LAT SPA) that of the original.

    >>> original(b"MSHSPA", b"SPA"), original(b"LNC-DE-AT", b"GER"), original(b"SNOMEDCT_US", b"ENG")
    ('MESH', 'LOINC', 'SNOMEDCT')
    """
    name = vocabulary.decode(errors="replace")
    if name.startswith("LNC-"):
        name = "LNC"
    elif len(name) > len(language) > 0:
        name = name.removesuffix(language.decode(errors="replace")).rstrip("_")
    return canonical_prefix(name)
