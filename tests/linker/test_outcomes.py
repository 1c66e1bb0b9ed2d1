from __future__ import annotations

import math
from dataclasses import replace

import pytest

from linker import Linker, Mention, RerankMode
from linker.corpus import GoldMention
from linker.evaluation import summarise
from linker.outcomes import Fault, judge, worst_misses
from linker.reranking import Policy


def gold(*parts: str, ids: set[str], note: str = "n") -> GoldMention:
    return GoldMention(note, tuple(map(Mention, parts)), frozenset(ids))


HEART_ATTACK, COLD, SENSATION, METFORMIN, ASTHMA = (f"CLINIC:{n:04}" for n in (3, 5, 6, 7, 15))
MENTIONS = [
    gold("heart attack", ids={HEART_ATTACK}),
    gold("zebra", ids={"ZOO:1"}),
    gold("cold", ids={SENSATION}),  # a synonym of two concepts
    gold("asthma", ids={METFORMIN}),
    gold("asthma", ids=set()),
    gold("heart attack", "cold", ids={HEART_ATTACK, COLD}, note="other"),
    gold("", ids={ASTHMA}, note="other"),
]


def test_each_mention_is_told_what_kept_it_from_being_right(linker: Linker) -> None:
    outcomes = judge(linker, MENTIONS)
    expected = [
        None,
        Fault.NOT_IN_BUNDLE,
        Fault.SHARED_NAME,
        Fault.RANKED_LOWER,
        Fault.ANSWERED_NIL,
        Fault.SHARED_NAME,  # its worst part
        Fault.NOT_RETRIEVED,
    ]
    assert [o.fault for o in outcomes] == expected
    assert [o.right for o in outcomes] == [True, *[False] * 6]
    assert [(o.note_id, o.position) for o in outcomes] == [*(("n", i) for i in range(5)), ("other", 0), ("other", 1)]
    assert outcomes[2].rank == outcomes[5].rank == 2  # at the end of the tie
    assert outcomes[6].rank == math.inf
    assert outcomes[5].answers[0].concept_ids[0] == HEART_ATTACK
    assert outcomes[5].confidence == outcomes[5].answers[1].confidences[0]


def test_what_is_right_and_not_sure_enough_is_a_fault_of_its_own(linker: Linker) -> None:
    cautious = Linker(replace(linker.bundle, calibration=replace(linker.bundle.calibration, threshold=1.0)))
    outcome = judge(cautious, MENTIONS[:1])[0]
    assert outcome.right
    assert outcome.nil
    assert outcome.fault is Fault.NIL_THOUGH_RIGHT


def test_codes_and_alternates_reach_a_concept(linker: Linker) -> None:
    by_code = judge(linker, [gold("asthma", ids={"DEMO:R2"})])[0]
    assert by_code.right
    assert by_code.reachable
    assert by_code.types == ("disorder",)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_the_size_of_a_batch_changes_nothing(linker: Linker, batch: int) -> None:
    done: list[int] = []
    small, large = judge(linker, MENTIONS, batch=batch, advance=done.append), judge(linker, MENTIONS)
    assert small == large
    assert sum(done) == len(MENTIONS)


def test_the_report_breaks_accuracy_down_by_type(linker: Linker) -> None:
    report = summarise(judge(linker, MENTIONS), bundle="x")
    assert report.errors.mentions == len(MENTIONS)
    assert report.errors.acc_at_1 == report.overall.acc_at_1 == pytest.approx(1 / 6)
    assert sum(report.errors.faults.values()) == 6
    assert list(report.by_type) == ["disorder", "finding", "substance"]
    assert report.by_type["disorder"].mentions == 3
    assert report.by_type["disorder"].acc_at_1 == pytest.approx(1 / 3)
    assert report.by_type["finding"].faults == {Fault.SHARED_NAME: 1}
    assert sum(b.mentions for b in report.bins) == report.overall.mentions


class Liking:
    """A reranker that scores the first `depth` candidates, and likes one concept."""

    policy = Policy(weight=1.0)
    depth = 3

    def score(self, mentions, candidates):
        return [
            [replace(c, rerank_score=float(c.concept_id == SENSATION)) for c in found[: self.depth]]
            + found[self.depth :]
            for found in candidates
        ]


def test_the_cost_of_reranking_is_counted_and_the_baseline_is_not_reranked(linker: Linker) -> None:
    """Of two mentions only the ambiguous one is read, with the three pairs that the reranker scores of it."""
    liking = Linker(replace(linker.bundle, reranker=Liking()))
    mentions = [gold("heart attack", ids={HEART_ATTACK}), gold("cold", ids={SENSATION})]
    plain, auto = (summarise(judge(which, mentions), bundle="x") for which in (linker, liking))
    never = summarise(judge(liking, mentions, rerank=RerankMode.NEVER), bundle="x")
    assert (auto.pairs_per_mention, auto.reranked) == (1.5, 0.5)
    assert (auto.overall.acc_at_1, plain.overall.acc_at_1) == (1.0, 0.5)
    assert auto.exact == plain.exact
    assert auto.overall.recall_at_64 == plain.overall.recall_at_64
    assert never == plain


def test_the_worst_misses_are_the_surest_and_each_comes_once(linker: Linker) -> None:
    mentions = [*MENTIONS, gold("asthma", ids={METFORMIN}, note="third")]
    misses = worst_misses(linker, mentions, judge(linker, mentions), 10)
    assert [m.confidence for m in misses] == sorted((m.confidence for m in misses), reverse=True)
    assert [m.mention for m in misses].count("asthma") == 1
    first = misses[0]
    assert (first.mention, first.answer) == ("asthma", (ASTHMA, "Asthma"))
    assert first.gold == ((METFORMIN, "Metformin"),)
    assert next(m for m in misses if m.mention == "zebra").gold == (("ZOO:1", None),)
    assert worst_misses(linker, mentions, judge(linker, mentions), 1) == misses[:1]
