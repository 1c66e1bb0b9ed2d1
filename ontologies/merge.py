"""Two sources become one through a crosswalk: a concept of the second that has the first's code becomes that concept.

For a crosswalk of doubtful cross-references, held in memory: which pairs it supports is told in `ontologies.claims`,
with names as evidence; here they are joined. `linker build --merge` follows exact matches alone, at any size
(`ontologies.matches`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from linker.identifiers import split_curie
from ontologies.claims import Claims, Entries, Entry, Support, claims_of, entries_of, mutual_best
from ontologies.errors import BuildError
from ontologies.records import Code, Concept, Name, Record, Replacement, Source, TermType


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeReport:
    """What became of the second source's concepts; the four add up to their number.

    merged: became a concept of the first source.
    ambiguous: have its codes, but no one claim is best for both sides.
    contradicted: have its codes, but the names speak against each.
    unmatched: have no code that the first source knows, or are retired.
    """

    merged: int
    ambiguous: int
    contradicted: int
    unmatched: int


def merge(primary: Source, secondary: Source, *, system: str) -> tuple[Source, MergeReport]:
    """The concepts of both sources, where `secondary`'s codes in `system` name concepts `<system>:<code>` of `primary`.

    A merged concept keeps the primary's id, preferred name and definition (the secondary's where it has none), joins
    names, codes and semantic types, and has the secondary's id as a code: skos:exactMatch where a name agrees,
    skos:closeMatch where only the crosswalk speaks. Parents follow the merged ids; a merged concept takes the
    secondary's parents only where the primary has no hierarchy at all, so that two hierarchies cannot form a cycle.
    Replacements follow the merged ids, too.

    Raises `BuildError`, or what reading the sources raises.
    """
    primary, secondary = (replace(source, records=tuple(source.records)) for source in (primary, secondary))
    first, second = entries_of(primary), entries_of(secondary)
    if shared := first.keys() & second.keys():
        raise BuildError(f"expected two sources without a concept in common, got {min(shared)} in both")
    claims = claims_of(first, second, system)
    pairs = mutual_best(claims)
    contradicted = sum(max(found.values()) is Support.CONTRADICTED for found in claims.values())
    report = MergeReport(
        merged=len(pairs),
        ambiguous=len(claims) - contradicted - len(pairs),
        contradicted=contradicted,
        unmatched=len(second) - len(claims),
    )
    joined = (*_joined(first, second, pairs, claims), *_replacements(primary, secondary, pairs))
    records = tuple(sorted(joined, key=lambda record: record.concept_id))
    releases = tuple(dict.fromkeys((*primary.releases, *secondary.releases)))
    return Source(path=primary.path, releases=releases, records=records), report


def _joined(first: Entries, second: Entries, pairs: dict[str, str], claims: Claims) -> Iterator[Record]:
    flat = not any(entry.concept.parents for entry in first.values())
    partners = {primary_id: concept_id for concept_id, primary_id in pairs.items()}
    for primary_id, entry in first.items():
        partner_id = partners.get(primary_id)
        if partner_id is None:
            yield entry.concept
        else:
            yield _joined_concept(entry.concept, _followed(second[partner_id].concept, pairs), keep_parents=not flat)
        yield from entry.names
        yield from entry.codes
        if partner_id is not None:
            yield from _adopted(entry, second[partner_id], claims[partner_id][primary_id])
    for concept_id, entry in second.items():
        if concept_id not in pairs:
            yield _followed(entry.concept, pairs)
            yield from entry.names
            yield from entry.codes


def _replacements(primary: Source, secondary: Source, pairs: dict[str, str]) -> Iterator[Replacement]:
    for record in (*primary.records, *secondary.records):
        if isinstance(record, Replacement):
            yield replace(record, replaced_by=pairs.get(record.replaced_by, record.replaced_by))


def _followed(concept: Concept, pairs: dict[str, str]) -> Concept:
    return replace(concept, parents=tuple(sorted({pairs.get(parent, parent) for parent in concept.parents})))


def _joined_concept(concept: Concept, partner: Concept, *, keep_parents: bool) -> Concept:
    return replace(
        concept,
        semantic_types=tuple(dict.fromkeys((*concept.semantic_types, *partner.semantic_types))),
        definition=concept.definition or partner.definition,
        parents=concept.parents if keep_parents else partner.parents,
    )


def _adopted(entry: Entry, partner: Entry, support: Support) -> Iterator[Name | Code]:
    """The partner's names and codes that the entry does not have, and the partner's id as a code."""
    concept_id = entry.concept.concept_id
    spelled = {(name.name, name.language) for name in entry.names}
    has_preferred = {name.language for name in entry.names if name.term_type is TermType.PREFERRED}
    for name in partner.names:
        if (name.name, name.language) not in spelled:
            demoted = name.term_type is TermType.PREFERRED and name.language in has_preferred
            term_type = TermType.SYNONYM if demoted else name.term_type
            yield replace(name, concept_id=concept_id, term_type=term_type)
    system, local = split_curie(partner.concept.concept_id)
    relation = "skos:exactMatch" if support >= Support.NAME else "skos:closeMatch"
    yield Code(concept_id=concept_id, system=system, code=local, relation=relation)
    known = {(code.system, code.code) for code in entry.codes} | {split_curie(concept_id)}
    yield from (replace(c, concept_id=concept_id) for c in partner.codes if (c.system, c.code) not in known)
