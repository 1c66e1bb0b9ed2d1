"""The table that chooses the weight says what the pipeline's own policy would do."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from linker.outcomes import worst_rank
from linker.records import Candidate, MatchSource
from linker.reranking import Policy, is_certain
from training.fusion import WEIGHTS, Scored, fit_weight, scored
from training.lists import CandidateList

GOLD = frozenset({"X:0"})
unit = st.floats(0, 1, allow_subnormal=False)


@st.composite
def mentions(draw: st.DrawFn) -> list[Candidate]:
    """Candidates with scores; the gold is X:0."""
    ids = draw(st.permutations([f"X:{n}" for n in range(draw(st.integers(1, 5)))]))
    nearness = sorted(draw(st.lists(unit, min_size=len(ids), max_size=len(ids))), reverse=True)
    exact = draw(st.integers(0, 2))
    found = []
    for place, (id_, near) in enumerate(zip(ids, nearness, strict=True)):
        source = MatchSource.EXACT if place < exact else MatchSource.DENSE
        similarity = 1.0 if place < exact else near * 0.9
        score = draw(st.floats(-8, 8, allow_subnormal=False))
        found.append(Candidate(place, id_, id_, id_, "synonym", source, similarity, similarity, rerank_score=score))
    return found


def table(cases: list[list[Candidate]]) -> Scored:
    lists = [
        CandidateList(
            mention="m",
            candidates=tuple(c.matched_name for c in found),
            supports=tuple(c.support for c in found),
            right=tuple(c.concept_id in GOLD for c in found),
            certain=is_certain(found),
            group=number,
        )
        for number, found in enumerate(cases)
    ]
    return scored(lists, [np.array([c.rerank_score or 0.0 for c in found]) for found in cases])


cases = st.lists(mentions(), min_size=1, max_size=6)


@given(cases, st.sampled_from(WEIGHTS))
def test_accuracy_is_that_of_the_policy(cases: list[list[Candidate]], weight: float) -> None:
    assume(not any(_tied_by_chance(found, weight) for found in cases))
    policy = Policy(weight=weight)
    right = []
    for found in cases:
        retrieved = [replace(c, rerank_score=None) for c in found]
        order = retrieved if policy.leaves(retrieved) else policy.order(found)
        # With a weight of 0 the scores are there and tell nothing: what is as near is tied all the same.
        seen = order if weight else [replace(c, rerank_score=None) for c in order]
        right.append(worst_rank(seen, GOLD) == 1)
    assert table(cases).accuracy(weight=weight) == np.mean(right)


def _tied_by_chance(found: list[Candidate], weight: float) -> bool:
    """Do sums that are made of different parts come out alike? The policy breaks such a tie, the table counts it."""
    parts = {(c.similarity, (c.rerank_score or 0.0) if weight else 0.0) for c in found}
    sums = sorted(similarity + weight * score for similarity, score in parts)
    return any(high - low < 1e-9 for low, high in pairwise(sums))


@given(st.lists(cases, min_size=1, max_size=3))
def test_no_corpus_falls_below_retrieval(corpora: list[list[list[Candidate]]]) -> None:
    tables = [table(cases) for cases in corpora]
    weight = fit_weight(tables)
    for each in tables:
        assert each.accuracy(weight=weight) >= each.accuracy(weight=0.0)


def test_a_score_that_helps_gets_a_weight_and_one_that_harms_none() -> None:
    def one(score: float) -> Scored:
        near = Candidate(0, "X:1", "a", "a", "synonym", MatchSource.DENSE, 0.9, 0.9, rerank_score=-score)
        right = Candidate(1, "X:0", "b", "b", "synonym", MatchSource.DENSE, 0.8, 0.8, rerank_score=score)
        return table([[near, right]])

    assert fit_weight([one(1.0)]) > 0
    assert fit_weight([one(-1.0)]) == 0


def test_a_composite_mention_is_right_when_every_part_is() -> None:
    def part(right: bool) -> CandidateList:
        return CandidateList(mention="m", candidates=("a",), supports=(0.5,), right=(right,), certain=True, group=7)

    nothing: list[np.ndarray] = [np.zeros(0)] * 2
    assert scored([part(True), part(True)], nothing).accuracy(weight=0.0) == 1.0
    assert scored([part(True), part(False)], nothing).accuracy(weight=0.0) == 0.0
