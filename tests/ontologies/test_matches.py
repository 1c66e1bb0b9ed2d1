"""What exact matches make one: one to one or not at all, nothing lost, no circle, and every conflict told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linker.identifiers import split_curie
from linker.surface import normalise
from ontologies.collecting import Tables, collect
from ontologies.matches import Conflict, Pair, unite, write_conflicts
from ontologies.records import Code, Concept, Name, Record, Release, Replacement, Source, TermType

ORDER = {"A": 0, "B": 1, "C": 2}


def pairs(*joined: str) -> list[Pair]:
    """ "A:1=B:7" is a pair, "A:1!B:7" one that names contradict."""
    split = [(text, text.replace("!", "=").split("=")) for text in joined]
    return [Pair(one=one, other=other, contradicted="!" in text) for text, (one, other) in split]


@pytest.mark.parametrize(
    ("given_pairs", "members", "conflicts"),
    [
        (["A:1=B:7"], [("A:1", "B:7")], []),
        (["A:1=B:7", "B:7=C:3"], [("A:1", "B:7", "C:3")], []),
        (["A:1=B:7", "A:1=C:3", "B:7=C:3"], [("A:1", "B:7", "C:3")], []),
        (["A:1=B:7", "A:1=B:8"], [], [Conflict.ONE_TO_MANY] * 2),
        (["A:1=B:7", "A:2=B:7"], [], [Conflict.MANY_TO_ONE] * 2),
        (["A:1=B:7", "A:1=B:8", "A:2=B:8"], [], [Conflict.ONE_TO_MANY, Conflict.MANY_TO_MANY, Conflict.MANY_TO_ONE]),
        (["A:1=B:7", "B:7=C:3", "A:2=C:3"], [], [Conflict.THROUGH_OTHERS] * 3),
        (["A:1=B:7", "A:1!B:8"], [("A:1", "B:7")], [Conflict.NAMES]),
        (["A:1=B:7", "A:1=B:8", "B:7=C:3"], [("B:7", "C:3")], [Conflict.ONE_TO_MANY] * 2),
    ],
)
def test_one_to_one_or_a_conflict(given_pairs, members, conflicts) -> None:
    unions = unite(pairs(*given_pairs), ORDER)
    assert list(unions.members) == members
    assert [conflict for conflict, _ in unions.conflicts] == conflicts


ids = st.builds("{}:{}".format, st.sampled_from("ABC"), st.integers(1, 4))
drawn_pairs = st.lists(
    st.builds(
        lambda two, wrong: Pair(one=two[0], other=two[1], contradicted=wrong),
        st.tuples(ids, ids).map(sorted).filter(lambda two: two[0][0] != two[1][0]),
        st.booleans(),
    ),
    unique_by=lambda pair: (pair.one, pair.other),
    max_size=12,
)


@given(drawn_pairs)
def test_each_pair_is_joined_or_in_conflict_and_no_vocabulary_is_twice_in_one(found: list[Pair]) -> None:
    unions = unite(found, ORDER)
    group_of = {i: members for members in unions.members for i in members}
    assert sum(map(len, unions.members)) == len(group_of)
    assert all(len({split_curie(i)[0] for i in members}) == len(members) for members in unions.members)
    assert all(members[0] == min(members) for members in unions.members)
    in_conflict = [pair for _, pair in unions.conflicts]
    joined = [pair for pair in found if pair not in in_conflict]
    assert all(group_of[pair.one] is group_of[pair.other] for pair in joined)
    assert {i for pair in joined for i in (pair.one, pair.other)} == group_of.keys()


def source(prefix: str, *records: Record) -> Source:
    return Source(path=f"{prefix}.obo", releases=(Release(source=prefix),), records=records)


def concept(concept_id: str, *names: str, codes: str = "", parents: str = "", retired: bool = False) -> list[Record]:
    """names: the first is preferred. codes: exact matches."""
    records: list[Record] = [Concept(concept_id=concept_id, parents=tuple(parents.split()), retired=retired)]
    for i, name in enumerate(names):
        term_type = TermType.SYNONYM if i else TermType.PREFERRED
        records.append(Name(concept_id=concept_id, name=name, language="en", term_type=term_type))
    for system, code in map(split_curie, codes.split()):
        records.append(Code(concept_id=concept_id, system=system, code=code, line=5))
    return records


def rows(tables: Tables, table: str, *columns: str) -> list[tuple]:
    return [tuple(row[column] for column in columns) for row in getattr(tables, table).to_pylist()]


def test_concepts_that_match_become_one_with_all_names_codes_and_a_redirect() -> None:
    first = source("A", *concept("A:1", "Grey cough"), Replacement(concept_id="A:0", replaced_by="A:1"))
    second = source("B", *concept("B:7", "grey cough", "ashen cough", codes="A:1 X:4"))
    german = source("de", Name(concept_id="B:7", name="Husten", language="de", term_type=TermType.PREFERRED))
    tables = collect([first, second, german], merge=True)
    assert rows(tables, "concepts", "concept_id", "preferred_name") == [("A:1", "Grey cough")]
    assert set(rows(tables, "names", "name", "term_type", "source")) == {
        ("Grey cough", "preferred", "A"),
        ("ashen cough", "synonym", "B"),
        ("Husten", "preferred", "de"),
    }
    assert rows(tables, "crosswalk", "system", "code", "relation", "source") == [
        ("B", "7", "skos:exactMatch", "B"),
        ("X", "4", "skos:exactMatch", "B"),
    ]
    assert rows(tables, "replacements", "concept_id", "replaced_by") == [("A:0", "A:1"), ("B:7", "A:1")]


def test_a_preferred_name_of_a_later_vocabulary_is_a_synonym_where_the_first_has_one() -> None:
    tables = collect(
        [source("A", *concept("A:1", "Grey cough")), source("B", *concept("B:7", "Ash cough", codes="A:1"))], merge=True
    )
    assert rows(tables, "names", "name", "term_type") == [("Grey cough", "preferred"), ("Ash cough", "synonym")]


def test_a_mapping_set_of_its_own_joins_too_in_either_direction_and_is_named_as_the_source() -> None:
    match = Code(concept_id="B:7", system="A", code="1", line=4)
    mapping = source("map", match, Code(concept_id="Z:1", system="A", code="1"))
    sources = [source("A", *concept("A:1", "x")), source("B", *concept("B:7", "y")), mapping]
    tables = collect(sources, merge=True)
    assert rows(tables, "crosswalk", "concept", "system", "code", "source") == [(0, "B", "7", "map")]
    assert tables.joined.unclaimed_codes == 1


def test_the_vocabulary_named_first_keeps_its_ids_whoever_tells_of_the_match() -> None:
    a, b = source("A", *concept("A:1", "x")), source("B", *concept("B:7", "y", codes="A:1"))
    assert rows(collect([a, b], merge=True), "concepts", "concept_id") == [("A:1",)]
    assert rows(collect([b, a], merge=True), "concepts", "concept_id") == [("B:7",)]


@pytest.mark.parametrize(
    "second",
    [
        concept("B:7", "grey cough"),
        [*concept("B:7", "grey cough"), Code(concept_id="B:7", system="A", code="1", relation="skos:closeMatch")],
        [*concept("B:7", "grey cough"), Code(concept_id="B:7", system="A", code="1", relation="oboInOwl:hasDbXref")],
        concept("B:7", "grey cough", codes="A:1", retired=True),
    ],
    ids=["a name alone", "a close match", "a cross-reference", "a retired concept"],
)
def test_nothing_less_than_an_exact_match_of_living_concepts_joins(second: list[Record]) -> None:
    tables = collect([source("A", *concept("A:1", "Grey cough")), source("B", *second)], merge=True)
    assert rows(tables, "concepts", "concept_id") == [("A:1",), ("B:7",)]
    assert tables.joined.unions is not None
    assert not tables.joined.unions.members


def test_without_merge_nothing_is_joined() -> None:
    sources = [source("A", *concept("A:1", "x")), source("B", *concept("B:7", "x", codes="A:1"))]
    tables = collect(sources)
    assert len(tables.concepts) == 2
    assert tables.joined.unions is None


def test_a_match_to_a_concept_whose_namesake_is_another_is_a_conflict_that_says_where(tmp_path: Path) -> None:
    first = source("A", *concept("A:1", "Red eye"), *concept("A:2", "Ash lung"))
    tables = collect([first, source("B", *concept("B:7", "ash lung", codes="A:1"))], merge=True)
    assert len(tables.concepts) == 3
    assert tables.joined.unions is not None
    write_conflicts(tmp_path / "conflicts.tsv", tables.joined.unions.conflicts)
    header, row = (tmp_path / "conflicts.tsv").read_text().splitlines()
    assert dict(zip(header.split("\t"), row.split("\t"), strict=True)) == {
        "conflict": "contradictory preferred names",
        "concept_id": "A:1",
        "name": "Red eye",
        "other_id": "B:7",
        "other_name": "ash lung",
        "source": "B",
        "place": "B.obo:5",
    }


@st.composite
def hierarchies(draw: st.DrawFn) -> list[Source]:
    """Three vocabularies with names in common, a hierarchy each (or none), and matches between them."""
    sources = []
    for prefix in "ABC":
        count, flat = draw(st.integers(1, 4)), draw(st.booleans())
        order = draw(st.permutations(range(count)))
        records: list[Record] = []
        for n in range(count):
            above = [f"{prefix}:{m}" for m in range(count) if order[m] < order[n] and not flat and draw(st.booleans())]
            others = draw(st.lists(ids.filter(lambda i, own=prefix: i[0] != own), max_size=2))
            name = draw(st.sampled_from(["grey", "ash", "red", f"own {prefix}{n}"]))
            records += concept(f"{prefix}:{n}", name, codes=" ".join(others), parents=" ".join(above))
        sources.append(source(prefix, *records))
    return sources


@settings(max_examples=60)
@given(hierarchies())
def test_nothing_is_lost_and_no_circle_arises(sources: list[Source]) -> None:
    """`collect` itself refuses circles; every name and code is still there, with the concept that its own became."""
    tables = collect(sources, merge=True)
    assert tables.joined.unions is not None
    becomes = {i: members[0] for members in tables.joined.unions.members for i in members}
    told = [record for source in sources for record in source.records]
    names = {(becomes.get(r.concept_id, r.concept_id), normalise(r.name)) for r in told if isinstance(r, Name)}
    concept_ids = [row["concept_id"] for row in tables.concepts.to_pylist()]
    assert {(concept_ids[row], normalise(name)) for name, row in rows(tables, "names", "name", "concept")} == names
    codes = {(becomes.get(r.concept_id, r.concept_id), r.system, r.code) for r in told if isinstance(r, Code)}
    own = {(i, *split_curie(i)) for i in becomes.values()}
    added = {(kept, *split_curie(i)) for i, kept in becomes.items() if i != kept}
    found = {
        (concept_ids[row], system, code) for row, system, code in rows(tables, "crosswalk", "concept", "system", "code")
    }
    assert found == (codes - own) | added
    assert len(concept_ids) == len({r.concept_id for r in told if isinstance(r, Concept)}) - len(added)
    assert Counter(rows(tables, "replacements", "concept_id", "replaced_by")) == Counter(
        (i, kept) for i, kept in becomes.items() if i != kept
    )
