from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker import Candidate, Code, Linker, MatchSource, Mention
from linker.corpus import GoldMention
from linker.evaluation import bootstrap_interval, calibration_error, coverage, evaluate, worst_rank


def candidate(concept_id: str, similarity: float, *codes: Code) -> Candidate:
    return Candidate(0, concept_id, "", "", "synonym", MatchSource.DENSE, similarity, similarity, codes=codes)


def test_a_tie_counts_at_its_worst() -> None:
    found = [candidate("A", 0.9), candidate("B", 0.8), candidate("C", 0.8), candidate("D", 0.7)]
    ranks = [worst_rank(found, frozenset({gold})) for gold in "ABCDE"]
    assert ranks == [1, 3, 3, 4, math.inf]
    assert worst_rank(found, frozenset({"B", "C"})) == 2  # nothing wrong is tied with them


def test_alternates_and_codes_are_ids_too() -> None:
    found = [candidate("C1|613097", 0.9, Code("UMLS", "C0027051", "skos:exactMatch"))]
    assert all(worst_rank(found, frozenset({gold})) == 1 for gold in ("C1", "613097", "UMLS:C0027051"))
    assert worst_rank(found, frozenset({"C0027051"})) == math.inf


def gold(*parts: str, ids: set[str], note: str = "n") -> GoldMention:
    return GoldMention(note, tuple(map(Mention, parts)), frozenset(ids))


def test_the_figures_are_what_counting_by_hand_gives(linker: Linker) -> None:
    mentions = [
        gold("heart attack", ids={"CLINIC:0003"}),  # exact and right
        gold("MI", ids={"CLINIC:0003"}),  # shared by two: second of its tie
        gold("asthma", ids={"CLINIC:0007"}),  # exact and wrong
        gold("heart attack", "cold", ids={"CLINIC:0003", "CLINIC:0005"}),  # one part is tied
        gold("asthma", "metformin", ids={"CLINIC:0007", "CLINIC:0015"}),  # both parts right
        gold("attack of heart", ids={"CLINIC:0003"}),  # not a name
        gold("zebra", ids={"ZOO:1"}),  # not in the bundle
        gold("zebra", ids=set()),  # NIL: no part of accuracy
    ]
    report = evaluate(linker, mentions)
    ranks = [worst_rank(linker.link(["asthma"])[0].candidates, frozenset({"CLINIC:0007"}))]
    assert ranks[0] > 1
    assert report.overall.mentions == 7
    assert report.overall.acc_at_1 == pytest.approx(3 / 7)
    assert report.exact.acc_at_1 == pytest.approx(2 / 7)
    assert report.seen is not None
    assert report.unseen is not None
    assert (report.seen.mentions, report.unseen.mentions) == (5, 2)
    assert report.unseen.acc_at_1 == pytest.approx(1 / 2)
    assert report.reachable == pytest.approx(6 / 7)
    assert report.nil_recall == 1.0
    assert report.nil_precision is not None


def test_the_order_of_mentions_does_not_matter(linker: Linker) -> None:
    mentions = [gold(text, ids={"CLINIC:0003"}, note=text) for text in ("heart attack", "MI", "infarct", "cold", "flu")]
    assert evaluate(linker, mentions) == evaluate(linker, mentions[::-1])


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("abcd")), min_size=1))
def test_the_interval_holds_the_mean_and_stays_in_bounds(rows: list[tuple[bool, str]]) -> None:
    right, notes = np.array([r for r, _ in rows]), np.array([n for _, n in rows])
    low, high = bootstrap_interval(right, notes)
    assert 0 <= low <= high <= 1
    if right.all() or not right.any():
        assert low == high == right.mean()


def test_calibration_error_of_known_cases() -> None:
    sure = np.array([0.75] * 4)
    assert calibration_error(sure, np.array([True, True, True, False])) == pytest.approx(0.0)
    assert calibration_error(sure, np.array([False] * 4)) == pytest.approx(0.75)


def test_coverage_of_known_cases() -> None:
    sure = np.array([0.9, 0.8, 0.7, 0.6])
    assert coverage(sure, np.array([True, True, False, True]), precision=0.95) == 0.5
    assert coverage(sure, np.array([True] * 4), precision=0.95) == 1.0
    assert coverage(np.array([0.9, 0.9]), np.array([True, False]), precision=0.95) == 0.0  # equals stand together
