"""Which concepts of two sources does a crosswalk make one? The evidence for `ontologies.merge`.

A crosswalk says more than "is the same": some of its codes are broader or narrower, and many concepts may share one.
So each code is a claim, and the names say how far to trust it (`Support`). A pair holds when each is the other's one
best claim; names alone never make a pair. SSSOM records lexical evidence beside a mapping for the same reason
(Matentzoglu et al. 2022, https://doi.org/10.1093/database/baac035).

Two shapes of a wrong claim are told from the names:
- the code is narrower: "asthma" has the code of "Exercise-induced asthma", while "Asthma" is there as well. The concept
  named so, with fewer words than the code's own name and of its semantic types, is claimed too;
- the code is broader: "non-histaminic angioedema" has the code of "Angioedema". The claim is dropped.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from enum import IntEnum

from linker.surface import normalise
from ontologies.errors import BuildError
from ontologies.records import Code, Concept, Name, Source, TermType

_EMPTY_WORDS = frozenset(
    ("a", "an", "and", "by", "caused", "disease", "disorder", "due", "in", "of", "syndrome", "the", "to", "with")
)
_POSSESSIVE = re.compile(r"(?<=\w)['\u2019]s\b")  # "Crohn's disease" and "Crohn disease" are one name here


class Support(IntEnum):
    """What the names say of a claim of the crosswalk, weakest first."""

    CONTRADICTED = 0  # they name another concept, or a broader one
    SILENT = 1  # the code alone
    WORDS = 2  # the same words in another order, or a related name
    NAME = 3  # a name in common
    PREFERRED_NAME = 4  # the second's preferred name is a name of the first


@dataclass(slots=True)
class Entry:
    """One concept with what is said of it. `preferred`, `exact` and `related` names are normalised."""

    concept: Concept
    names: list[Name] = field(default_factory=list)
    codes: list[Code] = field(default_factory=list)
    preferred: str = ""
    exact: set[str] = field(default_factory=set)
    related: set[str] = field(default_factory=set)


Entries = dict[str, Entry]
Claims = dict[str, dict[str, Support]]  # secondary concept id -> primary concept id -> support


def entries_of(source: Source) -> Entries:
    """The concepts of a source by id, each with its names and codes. Raises `BuildError`."""
    entries: Entries = {}
    rest: list[Name | Code] = []
    for record in source.records:
        if isinstance(record, Name | Code):
            rest.append(record)
        elif isinstance(record, Concept):
            entry = entries.setdefault(record.concept_id, Entry(record))
            entry.concept = _together(entry.concept, record)
    for record in rest:
        if record.concept_id not in entries:
            raise BuildError(f"{source.path}: expected a concept of the source, got {record.concept_id}")
        entry = entries[record.concept_id]
        entry.codes.append(record) if isinstance(record, Code) else entry.names.append(record)
    for entry in entries.values():
        _normalise_names(entry)
    return entries


def _together(concept: Concept, again: Concept) -> Concept:
    """What two records say of one concept, see `Concept`."""
    return replace(
        concept,
        semantic_types=tuple(dict.fromkeys((*concept.semantic_types, *again.semantic_types))),
        definition=concept.definition or again.definition,
        parents=tuple(dict.fromkeys((*concept.parents, *again.parents))),
        retired=concept.retired and again.retired,
    )


def _normalise_names(entry: Entry) -> None:
    for name in entry.names:
        if form := normalise(_POSSESSIVE.sub("", name.name)):
            (entry.related if name.term_type is TermType.RELATED else entry.exact).add(form)
            if name.term_type is TermType.PREFERRED:
                entry.preferred = entry.preferred or form


def claims_of(first: Entries, second: Entries, system: str) -> Claims:
    """The claims of each concept of `second` that has any. Retired concepts neither claim nor are claimed."""
    named: dict[str, set[str]] = defaultdict(set)
    for concept_id, entry in first.items():
        for form in entry.exact if not entry.concept.retired else ():
            named[form].add(concept_id)
    claims: Claims = {}
    for concept_id, entry in second.items():
        ids = {f"{system}:{code.code}" for code in entry.codes if code.system == system}
        coded = {i for i in ids & first.keys() if not first[i].concept.retired}
        if coded and not entry.concept.retired:
            heads = {head for i in coded for head in named[entry.preferred] if _is_head(first[head], first[i])}
            claims[concept_id] = {i: _support(entry, first, i, named) for i in sorted(coded | heads)}
    return claims


def _is_head(head: Entry, entry: Entry) -> bool:
    """Does `entry` specialise `head` by its name: "Exercise-induced asthma" and "Asthma"?"""
    same_kind = set(head.concept.semantic_types) == set(entry.concept.semantic_types)
    return same_kind and _words(head.preferred) < _words(entry.preferred)


def _support(entry: Entry, first: Entries, claimed_id: str, named: dict[str, set[str]]) -> Support:
    claimed = first[claimed_id]
    if entry.preferred in claimed.exact:
        return Support.PREFERRED_NAME
    if entry.exact & claimed.exact:
        return Support.NAME
    bags = {_words(form) for form in claimed.exact} - {frozenset()}
    if any(_words(form) in bags for form in entry.exact):
        return Support.WORDS
    others = {i for form in entry.exact for i in named.get(form, ())}
    if any(first[i].concept.semantic_types == claimed.concept.semantic_types for i in others):
        return Support.CONTRADICTED
    if claimed.preferred and _words(claimed.preferred) < _words(entry.preferred):
        return Support.CONTRADICTED
    return Support.WORDS if entry.related & claimed.exact else Support.SILENT


def _words(form: str) -> frozenset[str]:
    return frozenset(form.split()) - _EMPTY_WORDS


def mutual_best(claims: Claims) -> dict[str, str]:
    """Secondary concept id -> primary concept id, where each is the other's one best claim."""
    claimants: Claims = defaultdict(dict)
    for concept_id, found in claims.items():
        for primary_id, support in found.items():
            claimants[primary_id][concept_id] = support
    best = {concept_id: _single_best(found) for concept_id, found in claims.items()}
    best_claimant = {primary_id: _single_best(found) for primary_id, found in claimants.items()}
    return {concept_id: i for concept_id, i in best.items() if i is not None and best_claimant[i] == concept_id}


def _single_best(found: dict[str, Support]) -> str | None:
    top = max(found.values())
    best = [concept_id for concept_id, support in found.items() if support is top]
    return best[0] if len(best) == 1 and top is not Support.CONTRADICTED else None
