"""What of its sources the starter ontology keeps, and why: human diseases, codes that users look up, distinct names."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace

from linker.surface import normalise
from ontologies.records import Code, Concept, Name, Record, Source, TermType

NON_HUMAN = "MONDO:0005583"  # non-human animal disease
CHARACTERISTIC = "MONDO:0021125"  # disease characteristic: "rare", "congenital": qualifiers, not diseases
LONGEST_NAME = 300  # characters; the few longer ones are lists, not names

_ICD10 = r"[A-Z]\d[\dA-Z](\.[\dA-Z]{1,4})?"
# The vocabularies whose codes are kept, and the shape of one code (not of a range of codes, which names no concept).
# MedDRA is left out: its codes are its licensees'.
CODE_SHAPES = {
    "DOID": r"\d+",
    "EFO": r"\d{7}",
    "GARD": r"\d+",
    "HP": r"\d{7}",
    "ICD10": _ICD10,
    "ICD10CM": _ICD10,
    "ICD9CM": r"([EV]?\d{2,3})(\.\d{1,2})?",
    "ICDO": r"\d{4}/\d",
    "MESH": r"[CD]\d{6,9}",
    "MONDO": r"\d{7}",
    "NCIT": r"C\d+",
    "OMIM": r"(PS)?\d{6}",
    "ORPHANET": r"\d+",
    "SNOMEDCT": r"\d{6,18}",
    "UMLS": r"C(N\d{6}|\d{7})",
}

_PRODUCT = re.compile(r"Product containing (?!only |precisely )(.+)")


def without_branches(source: Source, branches: Iterable[str]) -> tuple[Source, Counter[str]]:
    """`source` without retired concepts and without the concepts at or below `branches`, and how many went each way."""
    records = tuple(source.records)
    concepts = {record.concept_id: record for record in records if isinstance(record, Concept)}
    children: dict[str, list[str]] = defaultdict(list)
    for concept in concepts.values():
        for parent in concept.parents:
            children[parent].append(concept.concept_id)
    dropped = {concept_id: "retired" for concept_id, concept in concepts.items() if concept.retired}
    for branch in branches:
        for concept_id in _below(branch, children):
            dropped.setdefault(concept_id, branch)
    kept = (record for record in records if record.concept_id not in dropped)
    left = tuple(_without_parents(record, dropped) for record in kept)
    return replace(source, records=left), Counter(dropped.values())


def _below(branch: str, children: dict[str, list[str]]) -> set[str]:
    found, waiting = {branch}, [branch]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if child not in found:
                found.add(child)
                waiting.append(child)
    return found


def _without_parents(record: Record, dropped: dict[str, str]) -> Record:
    if isinstance(record, Concept) and any(parent in dropped for parent in record.parents):
        return replace(record, parents=tuple(parent for parent in record.parents if parent not in dropped))
    return record


def with_known_codes(source: Source) -> tuple[Source, Counter[str]]:
    """`source` with the codes that have one of `CODE_SHAPES`, and how many of each vocabulary were left out."""
    left_out: Counter[str] = Counter()
    kept: list[Record] = []
    for record in source.records:
        if not isinstance(record, Code) or re.fullmatch(CODE_SHAPES.get(record.system, ""), record.code):
            kept.append(record)
        else:
            left_out[record.system] += 1
    return replace(source, records=tuple(kept)), left_out


def with_provenance(source: Source) -> Source:
    """`source`, of one release, with that release said of each name and code: to tell after a merge."""
    (release,) = source.releases
    records = (replace(r, source=release.source) if isinstance(r, Name | Code) else r for r in source.records)
    return replace(source, records=tuple(records))


def with_codes_by_name(source: Source, other: Source, *, system: str, semantic_type: str) -> tuple[Source, int]:
    """`source` with the code of each concept of `other` that has its preferred name and `semantic_type`, and how many.

    For two ontologies of diseases whose crosswalk has gaps ("Vitiligo" is "Vitiligo"). A name that is preferred by
    several concepts on either side gives no code.
    """
    records, others = tuple(source.records), tuple(other.records)
    kind = {r.concept_id for r in others if isinstance(r, Concept) and semantic_type in r.semantic_types}
    theirs = _by_preferred_name(r for r in others if r.concept_id in kind)
    ours = _by_preferred_name(records)
    codes = tuple(
        Code(concept_id=ids[0], system=system, code=theirs[form][0].partition(":")[2], relation="skos:closeMatch")
        for form, ids in sorted(ours.items())
        if len(ids) == 1 and len(theirs.get(form, ())) == 1
    )
    return replace(source, records=(*records, *codes)), len(codes)


def _by_preferred_name(records: Iterable[Record]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for record in records:
        if isinstance(record, Name) and record.term_type is TermType.PREFERRED:
            found[normalise(record.name)].append(record.concept_id)
    return found


def with_ingredient_names(source: Source) -> tuple[Source, int]:
    """`source` with "metformin" as a related name of "Product containing metformin", and how many such names.

    SNOMED CT names medicinal products after this pattern (SNOMED CT Editorial Guide, "Medicinal product"); notes name
    the ingredient alone.
    """
    records = tuple(source.records)
    products = {r.concept_id for r in records if isinstance(r, Concept) and "medicinal product" in r.semantic_types}
    named = tuple(
        replace(record, name=found[1], term_type=TermType.RELATED)
        for record in records
        if isinstance(record, Name)
        and record.concept_id in products
        and record.term_type is TermType.PREFERRED
        and (found := _PRODUCT.fullmatch(record.name))
    )
    return replace(source, records=(*records, *named)), len(named)


def without_fully_specified(source: Source) -> Source:
    """`source` without names such as "Asthma (disorder)": its tag is the semantic type, and nobody writes it."""
    kept = (r for r in source.records if not isinstance(r, Name) or r.term_type is not TermType.FULLY_SPECIFIED)
    return replace(source, records=tuple(kept))


def with_distinct_names(source: Source) -> tuple[Source, Counter[str]]:
    """`source` with each name once a concept, and how many names were left out for which reason.

    Of a concept's names that normalise alike the best term type stays, then the most natural casing. A related name
    that is an exact name of another concept is left out as well: "anxiety" is no name of "panic disorder".
    """
    records = tuple(source.records)
    left_out: Counter[str] = Counter()
    groups: dict[tuple[str, str, str], list[Name]] = defaultdict(list)
    for record in records:
        if isinstance(record, Name):
            form = normalise(record.name)
            if not form or len(record.name) > LONGEST_NAME:
                left_out["too long" if form else "punctuation only"] += 1
            else:
                groups[record.concept_id, record.language, form].append(record)
    best = {key: min(names, key=_naturalness) for key, names in groups.items()}
    left_out["same name again"] = sum(map(len, groups.values())) - len(best)
    taken = {form for (_, _, form), name in best.items() if name.term_type is not TermType.RELATED}
    kept = list(_not_taken(best, taken))
    left_out["related name taken"] = len(best) - len(kept)
    kept.sort(key=lambda name: (name.concept_id, name.term_type.rank, name.name.casefold(), name.name))
    return replace(source, records=(*(r for r in records if not isinstance(r, Name)), *kept)), left_out


def _not_taken(best: dict[tuple[str, str, str], Name], taken: set[str]) -> Iterator[Name]:
    for (_, _, form), name in best.items():
        if name.term_type is not TermType.RELATED or form not in taken:
            yield name


def _naturalness(name: Name) -> tuple[int, int, int, str]:
    """Orders names that normalise alike: term type, then SHOUTED words, then Capitalised words after the first."""
    words = re.findall(r"[^\W\d_]+", name.name)
    shouted = sum(len(word) > 4 and word.isupper() for word in words)
    return name.term_type.rank, shouted, sum(word.istitle() for word in words[1:]), name.name
