"""Pairs, and what may never be a negative of what."""

from __future__ import annotations

from collections import Counter

import pytest

from linker.corpus import GoldMention
from linker.records import Mention
from linker.surface import normalise
from ontologies.records import Code, Name
from training.dictionary import Entry, Ontology, read_entries
from training.errors import TrainingError
from training.groups import group_numbers, matches
from training.pairs import PairOptions, Pairs, make_pairs


def entry(concept_id: str, *names: str, codes: tuple[str, ...] = (), relation: str = "skos:exactMatch") -> Entry:
    """Names as `text` or `text@language`, codes as CURIEs."""
    spoken = [name.partition("@")[::2] for name in names]
    pairs = [code.partition(":")[::2] for code in codes]
    return Entry(
        concept_id,
        [Name(concept_id=concept_id, name=text, language=tag or "en") for text, tag in spoken],
        [Code(concept_id=concept_id, system=system, code=code, relation=relation) for system, code in pairs],
    )


def by_id(*entries: Entry) -> dict[str, Entry]:
    return {each.concept_id: each for each in entries}


def texts(pairs: Pairs) -> set[frozenset[str]]:
    return {frozenset(pairs.names.texts[number] for number in row) for row in pairs.rows}


def groups_of(pairs: Pairs) -> dict[str, int]:
    return dict(zip(pairs.names.texts, pairs.names.groups, strict=True))


def test_pairs_are_the_distinct_normalised_names_of_a_concept() -> None:
    pairs = make_pairs(by_id(entry("A:1", "Heart Attack", "heart-attack", "MI", "Infarct")), PairOptions(), seed=0)
    assert texts(pairs) == {
        frozenset(pair) for pair in (("heart attack", "mi"), ("heart attack", "infarct"), ("mi", "infarct"))
    }
    assert pairs.report.dropped == {"same name after normalisation": 1}


def test_a_concept_gives_no_more_pairs_than_its_cap_and_the_seed_chooses_them() -> None:
    entries = by_id(entry("A:1", *(f"name {number}" for number in range(12))))
    draws = [make_pairs(entries, PairOptions(per_concept=5), seed=seed) for seed in (1, 1, 2)]
    assert [len(draw.rows) for draw in draws] == [5, 5, 5]
    assert texts(draws[0]) == texts(draws[1]) != texts(draws[2])
    assert draws[0].report.dropped["pair over the cap of its concept"] == 66 - 5


def test_a_crosswalk_gives_positives_only_where_it_is_one_to_one_and_groups_always() -> None:
    entries = by_id(
        entry("A:1", "one", codes=("B:1",)),
        entry("A:2", "two", codes=("B:2", "B:3")),
        entry("B:1", "uno"),
        entry("B:2", "dos"),
        entry("B:3", "two again"),
    )
    assert matches(entries) == [("A:1", "B:1")]
    pairs = make_pairs(entries, PairOptions(), seed=0)
    assert texts(pairs) == {frozenset(("one", "uno"))}
    groups = groups_of(pairs)
    assert groups["one"] == groups["uno"] != groups["two"]
    assert groups["two"] == groups["dos"] == groups["two again"]


def test_a_reference_that_is_not_exact_joins_nothing() -> None:
    entries = by_id(entry("A:1", "one", "uno", codes=("B:1",), relation="oboInOwl:hasDbXref"), entry("B:1", "two"))
    assert matches(entries) == []
    groups = groups_of(make_pairs(entries, PairOptions(), seed=0))
    assert groups["one"] != groups["two"]


def test_concepts_with_one_code_or_one_name_in_common_are_one_group() -> None:
    entries = [
        entry("A:1", "cold", codes=("U:1",)),
        entry("B:1", "rhinitis", codes=("U:1",)),
        entry("C:1", "COLD", "copd"),
        entry("D:1", "fever"),
    ]
    numbers = group_numbers(entries, [[normalise(name.name) for name in each.names] for each in entries])
    assert numbers[0] == numbers[1] == numbers[2] != numbers[3]


def test_no_surface_form_is_in_two_groups() -> None:
    entries = read_entries([Ontology(path="invented")])
    rates = dict.fromkeys(("typo", "word_order", "spelling", "acronym", "plural"), 1.0)
    names = make_pairs(entries, PairOptions(augmentation=rates), seed=3).names
    groups: dict[str, set[int]] = {}
    for text, group in zip(names.texts, names.groups, strict=True):
        groups.setdefault(text, set()).add(group)
    assert {len(each) for each in groups.values()} == {1}
    assert len(names) > sum(len(each.names) for each in entries.values())


def test_languages_filter_names_and_pairs() -> None:
    entries = by_id(entry("A:1", "fever@en", "pyrexia@en-GB", "fiebre@es", "febre@pt"))
    assert texts(make_pairs(entries, PairOptions(languages=("en",)), seed=0)) == {frozenset(("fever", "pyrexia"))}
    apart = make_pairs(entries, PairOptions(cross_lingual=False), seed=0)
    assert texts(apart) == {frozenset(("fever", "pyrexia"))}
    assert apart.report.dropped["pair across languages"] == 5


def test_a_variant_is_paired_with_a_name_of_its_concept() -> None:
    entries = by_id(entry("A:1", "postoperative"), entry("A:2", "non-small cell"))
    pairs = make_pairs(entries, PairOptions(augmentation={"hyphen": 1.0}), seed=0)
    assert texts(pairs) == {
        frozenset(("postoperative", "post operative")),
        frozenset(("non small cell", "nonsmall cell")),
    }
    assert pairs.report.augmented_pairs == 2


def test_a_variant_that_is_a_name_of_another_concept_is_left_out() -> None:
    entries = by_id(entry("A:1", "postoperative", "bleed"), entry("A:2", "post-operative"))
    pairs = make_pairs(entries, PairOptions(augmentation={"hyphen": 1.0}), seed=0)
    assert texts(pairs) == {frozenset(("postoperative", "bleed"))}
    assert pairs.report.dropped["variant that is a name already"] >= 1


def test_gold_mentions_are_names_of_their_concept_and_unknown_ids_are_counted() -> None:
    def gold(text: str, *ids: str) -> GoldMention:
        return GoldMention("note", tuple(Mention(part) for part in text.split("|")), frozenset(ids))

    entries = by_id(entry("A:1", "fever", "pyrexia", codes=("M:7",)), entry("A:2", "cough"))
    mentions = [gold("Febrile", "M:7"), gold("hot", "A:9"), gold("hot", "A:9"), gold("x|y", "A:1"), gold("nothing")]
    pairs = make_pairs(entries, PairOptions(), seed=0, gold=mentions)
    assert {frozenset(("febrile", "fever")), frozenset(("febrile", "pyrexia"))} <= texts(pairs)
    assert pairs.report.unknown_gold == {"A:9": 2}
    assert Counter(pairs.report.dropped) == {"composite gold mention": 1, "gold mention without a known concept": 3}


def test_a_mention_that_is_the_name_of_another_concept_joins_the_two() -> None:
    entries = by_id(entry("A:1", "fever", "pyrexia"), entry("A:2", "hot"))
    mention = GoldMention("note", (Mention("hot"),), frozenset({"A:1"}))
    assert len(set(groups_of(make_pairs(entries, PairOptions(), seed=0, gold=[mention])).values())) == 1


@pytest.mark.parametrize(
    ("entries", "options", "says"),
    [
        ((entry("A:1", "fever"), entry("A:2", "cough")), PairOptions(), "one name only"),
        ((entry("A:1", "fever"),), PairOptions(languages=("de",)), "no name in pairs.languages"),
        ((entry("A:1", "fever", "fiebre@es"),), PairOptions(cross_lingual=False), "cross_lingual"),
    ],
)
def test_no_pairs_says_what_to_do(entries: tuple[Entry, ...], options: PairOptions, says: str) -> None:
    with pytest.raises(TrainingError, match=says):
        make_pairs(by_id(*entries), options, seed=0)


def test_the_limit_draws_from_all_pairs() -> None:
    entries = read_entries([Ontology(path="invented")])
    pairs = make_pairs(entries, PairOptions(limit=100), seed=0)
    assert len(pairs.rows) == pairs.report.pairs == 100
    assert len({pairs.names.concepts[number] for number in pairs.rows[:, 0]}) > 50
