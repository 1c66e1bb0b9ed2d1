"""Merging through a crosswalk: which pairs become one, and that nothing is lost or invented on the way."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker.identifiers import split_curie
from ontologies.errors import BuildError
from ontologies.merge import merge
from ontologies.records import Code, Concept, Name, Release, Replacement, Source, TermType


def source(prefix, *concepts, codes=(), parents=(), types=("disorder",), retired=()):
    """concepts: (local id, preferred name, *synonyms); codes: (local id, primary's code); parents: (child, parent)."""
    records = []
    for local, *names in concepts:
        concept_id = f"{prefix}:{local}"
        above = tuple(f"{prefix}:{parent}" for child, parent in parents if child == local)
        records.append(Concept(concept_id=concept_id, semantic_types=types, parents=above, retired=local in retired))
        for i, name in enumerate(names):
            term_type = TermType.SYNONYM if i else TermType.PREFERRED
            records.append(Name(concept_id=concept_id, name=name, language="en", term_type=term_type))
    records += [
        Code(concept_id=f"{prefix}:{local}", system="A", code=code, relation="oboInOwl:hasDbXref")
        for local, code in codes
    ]
    return Source(path=prefix, releases=(Release(source=prefix),), records=tuple(records))


def became(merged):
    """Which concept each secondary id became: the code a merge leaves behind."""
    return {r.code: (r.concept_id, r.relation) for r in merged.records if isinstance(r, Code) and r.system == "B"}


def test_a_one_to_one_code_merges_names_codes_and_id():
    first = source("A", ("1", "Grey cough"))
    second = source("B", ("7", "grey cough", "ashen cough"), codes=[("7", "1")], types=("disease",))
    merged, report = merge(first, second, system="A")
    assert became(merged) == {"7": ("A:1", "skos:exactMatch")}
    assert [r.semantic_types for r in merged.records if isinstance(r, Concept)] == [("disorder", "disease")]
    names = [(r.name, r.term_type) for r in merged.records if isinstance(r, Name)]
    assert names == [
        ("Grey cough", TermType.PREFERRED),
        ("grey cough", TermType.SYNONYM),
        ("ashen cough", TermType.SYNONYM),
    ]
    assert (report.merged, report.ambiguous, report.contradicted, report.unmatched) == (1, 0, 0, 0)
    assert [release.source for release in merged.releases] == ["A", "B"]


def test_a_code_on_which_names_are_silent_merges_as_a_close_match():
    merged, _ = merge(
        source("A", ("1", "Grey cough")), source("B", ("7", "miners' lung"), codes=[("7", "1")]), system="A"
    )
    assert became(merged) == {"7": ("A:1", "skos:closeMatch")}


def test_names_alone_never_merge():
    merged, report = merge(source("A", ("1", "Grey cough")), source("B", ("7", "Grey cough")), system="A")
    assert became(merged) == {}
    assert report.unmatched == 1


def test_names_choose_among_claimants_of_one_code():
    second = source("B", ("7", "ash lung"), ("8", "grey cough"), codes=[("7", "1"), ("8", "1")])
    merged, report = merge(source("A", ("1", "Grey cough")), second, system="A")
    assert became(merged) == {"8": ("A:1", "skos:exactMatch")}
    assert (report.merged, report.ambiguous) == (1, 1)


def test_claimants_that_names_do_not_tell_apart_stay_as_they_are():
    second = source("B", ("7", "ash lung"), ("8", "soot lung"), codes=[("7", "1"), ("8", "1")])
    merged, report = merge(source("A", ("1", "Grey cough")), second, system="A")
    assert became(merged) == {}
    assert report.ambiguous == 2
    assert {(r.concept_id, r.code) for r in merged.records if isinstance(r, Code)} == {("B:7", "1"), ("B:8", "1")}


def test_names_choose_among_several_codes_of_one_concept():
    first = source("A", ("1", "Grey cough"), ("2", "Ash lung"))
    merged, _ = merge(first, source("B", ("7", "ash lung"), codes=[("7", "1"), ("7", "2")]), system="A")
    assert became(merged) == {"7": ("A:2", "skos:exactMatch")}
    assert ("A:2", "1") in {(r.concept_id, r.code) for r in merged.records if isinstance(r, Code)}


def test_a_code_too_narrow_leads_to_the_concept_it_specialises():
    first = source("A", ("1", "Grey cough"), ("2", "Exercise-induced grey cough"))
    merged, _ = merge(first, source("B", ("7", "grey cough"), codes=[("7", "2")]), system="A")
    assert became(merged) == {"7": ("A:1", "skos:exactMatch")}


def test_a_code_too_broad_is_not_followed():
    second = source("B", ("7", "grey cough, susceptibility to, 4"), codes=[("7", "1")])
    merged, report = merge(source("A", ("1", "Grey cough")), second, system="A")
    assert became(merged) == {}
    assert report.contradicted == 1


def test_a_claim_whose_name_is_another_concepts_is_not_followed():
    first = source("A", ("1", "Ash lung"), ("2", "Grey cough"))
    _, report = merge(first, source("B", ("7", "soot lung", "grey cough"), codes=[("7", "1")]), system="A")
    assert (report.merged, report.contradicted) == (0, 1)


@pytest.mark.parametrize("retired", ["first", "second"])
def test_retired_concepts_neither_claim_nor_are_claimed(retired):
    first = source("A", ("1", "x"), retired=("1",) if retired == "first" else ())
    second = source("B", ("7", "x"), codes=[("7", "1")], retired=("7",) if retired == "second" else ())
    assert merge(first, second, system="A")[1].unmatched == 1


def test_a_hierarchy_of_the_first_source_is_kept_free_of_the_seconds():
    first = source("A", ("1", "x"), ("2", "y"), parents=[("1", "2")])
    second = source("B", ("7", "x"), ("8", "y"), codes=[("7", "1"), ("8", "2")], parents=[("8", "7")])
    merged, _ = merge(first, second, system="A")
    assert {r.concept_id: r.parents for r in merged.records if isinstance(r, Concept)} == {"A:1": ("A:2",), "A:2": ()}


def test_a_concept_in_both_sources_is_refused():
    with pytest.raises(BuildError, match="A:1"):
        merge(source("A", ("1", "x")), source("A", ("1", "x")), system="A")


def test_a_name_without_its_concept_is_refused():
    stray = Source(path="s", releases=(), records=(Name(concept_id="B:9", name="x"),))
    with pytest.raises(BuildError, match="B:9"):
        merge(source("A", ("1", "x")), stray, system="A")


def test_what_several_records_say_of_a_concept_adds_up():
    first = source("A", ("1", "Grey cough"), ("2", "Cough"))
    told_again = Concept(concept_id="A:1", semantic_types=("sign",), definition="It is grey.", parents=("A:2",))
    first = Source(path="A", releases=first.releases, records=(told_again, *first.records))
    merged, _ = merge(first, source("B", ("7", "grey cough"), codes=[("7", "1")]), system="A")
    [concept] = [r for r in merged.records if isinstance(r, Concept) and r.concept_id == "A:1"]
    assert (concept.semantic_types, concept.definition, concept.parents) == (
        ("sign", "disorder"),
        "It is grey.",
        ("A:2",),
    )


def test_a_concept_told_twice_is_retired_only_where_both_say_so():
    first = source("A", ("1", "x"), retired=("1",))
    first = Source(path="A", releases=(), records=(*first.records, Concept(concept_id="A:1")))
    assert merge(first, source("B", ("7", "x"), codes=[("7", "1")]), system="A")[1].merged == 1


def test_replacements_lead_to_the_merged_concept():
    old = Replacement(concept_id="B:5", replaced_by="B:7", relation="SAME_AS", line=3)
    second = source("B", ("7", "grey cough"), codes=[("7", "1")])
    second = Source(path="B", releases=(), records=(old, *second.records))
    merged, _ = merge(source("A", ("1", "Grey cough")), second, system="A")
    assert [r for r in merged.records if isinstance(r, Replacement)] == [
        Replacement(concept_id="B:5", replaced_by="A:1", relation="SAME_AS", line=3)
    ]


words = st.lists(st.sampled_from(["grey", "ash", "lung", "cough", "of", "acute"]), min_size=1, max_size=3).map(" ".join)
local_ids = st.sampled_from("123456")


@st.composite
def pairs_of_sources(draw):
    def concepts():
        drawn = draw(st.dictionaries(local_ids, st.lists(words, min_size=1, max_size=3), min_size=1))
        return [(local, *names) for local, names in drawn.items()]

    first, second = concepts(), concepts()
    codes = draw(st.lists(st.tuples(st.sampled_from([local for local, *_ in second]), local_ids), unique=True))
    parents = [(a, b) for a, *_ in second for b, *_ in second if a < b and draw(st.booleans())]
    return source("A", *first), source("B", *second, codes=codes, parents=parents)


@given(pairs_of_sources())
def test_nothing_is_lost_and_nothing_invented(sources):
    first, second = sources
    merged, report = merge(first, second, system="A")
    before, after = [*first.records, *second.records], list(merged.records)
    assert {r.name for r in after if isinstance(r, Name)} == {r.name for r in before if isinstance(r, Name)}

    became_ = {f"B:{local}": concept_id for local, (concept_id, _) in became(merged).items()}
    assert len(set(became_.values())) == len(became_) == report.merged
    expected = {(became_.get(r.concept_id, r.concept_id), r.name) for r in before if isinstance(r, Name)}
    assert {(r.concept_id, r.name) for r in after if isinstance(r, Name)} == expected
    moved = {(became_.get(r.concept_id, r.concept_id), r.system, r.code) for r in before if isinstance(r, Code)}
    own = {(concept_id, *split_curie(concept_id)) for concept_id in became_.values()}
    added = {(concept_id, *split_curie(partner)) for partner, concept_id in became_.items()}
    assert {(r.concept_id, r.system, r.code) for r in after if isinstance(r, Code)} == (moved - own) | added


@given(pairs_of_sources())
def test_every_parent_exists_and_none_is_its_own_ancestor(sources):
    merged, _ = merge(*sources, system="A")
    parents = {r.concept_id: r.parents for r in merged.records if isinstance(r, Concept)}
    reached = {concept_id: set(above) for concept_id, above in parents.items()}
    for _ in parents:
        reached = {i: above | {a for p in above for a in reached[p]} for i, above in reached.items()}
    assert not [concept_id for concept_id, above in reached.items() if concept_id in above]


@given(pairs_of_sources(), st.randoms())
def test_the_order_of_records_does_not_matter(sources, rng: random.Random):
    def shuffled(source):
        records = list(source.records)
        rng.shuffle(records)
        return Source(path=source.path, releases=source.releases, records=records)

    straight, report = merge(*sources, system="A")
    other, other_report = merge(*map(shuffled, sources), system="A")
    assert other_report == report
    assert became(other) == became(straight)
    concepts = {r for r in straight.records if isinstance(r, Concept)}
    assert {r for r in other.records if isinstance(r, Concept)} == concepts
