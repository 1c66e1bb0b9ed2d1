from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra `train`")

from linker.corpus import GoldMention
from linker.decision import FEATURES, confidences
from linker.errors import InvalidInput
from linker.evaluation import calibration_error
from linker.pipeline import Linker
from linker.records import Candidate, MatchSource, Mention
from training.calibration import DEPTH, Choices, Observed, fit, fit_gate, fit_weights, observe
from training.judgement import FOLDS, Judgement, cross_validated, judge, left_out, threshold_for

TRUE = {"level": 12.0, "gap": 25.0, "exact": 2.0, "lead": 1.0, "related": 0.0, "rerank": 0.0}
NIL = 9.0


def drawn(seed: int, mentions: int = 4000, *, noise: float = 0.0, rerank: float = 0.0) -> Choices:
    """Mentions whose right answer is drawn from a known model, or with probability `noise` is something else."""
    random = np.random.default_rng(seed)
    level = np.repeat(random.uniform(0.3, 1.0, size=(mentions, 1)), DEPTH, axis=1)
    gap = -np.sort(random.uniform(0.0, 0.5, size=(mentions, DEPTH)), axis=1)
    gap[:, 0] = 0
    exact, lead, none = np.zeros((3, mentions, DEPTH))
    exact[:, 0] = random.random(mentions) < 0.5
    lead[:, 0] = 1
    score = random.normal(size=(mentions, DEPTH)) if rerank else none
    rows = np.stack([level, gap, exact, lead, none, score], axis=-1)
    true = np.array([{**TRUE, "rerank": rerank}[name] for name in FEATURES])
    utilities = np.append(rows @ true, np.full((mentions, 1), NIL), axis=1)
    chosen = (utilities + random.gumbel(size=utilities.shape)).argmax(axis=1)
    chosen[random.random(mentions) < noise] = DEPTH
    return Choices(rows, np.ones((mentions, DEPTH), dtype=np.bool_), np.arange(DEPTH) == chosen[:, None])


def corpus(name: str, choices: Choices, *, reranked: Choices | None = None, kept: float = 1.0) -> Observed:
    count = len(choices.right)
    return Observed(
        name=name,
        retrieved=choices,
        reranked=reranked,
        notes=np.array([f"note {n // 4}" for n in range(count)]),
        imitated=np.zeros(count, dtype=np.bool_),
        nil=~choices.right.any(axis=1),
        kept=np.arange(count) < kept * count,
        missing={},
    )


def test_the_weights_the_choices_were_drawn_with_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.calibration.RIDGE", 0.0)  # which draws them towards 0
    weights = fit_weights(drawn(0, 8000), np.ones(8000))
    assert weights.features == pytest.approx([TRUE[name] for name in FEATURES], rel=0.2, abs=0.2)
    assert weights.nil == pytest.approx(NIL, rel=0.2)
    assert weights.curve == pytest.approx((1.0, 1.0, 0.0), abs=0.25)  # there is nothing to bend


def test_confidences_are_right_even_where_the_logit_is_wrong() -> None:
    held_out = drawn(3, 4000, noise=0.2)
    calibration = fit([corpus("noisy", drawn(2, 4000, noise=0.2))])
    bent = judge(calibration, corpus("held out", held_out))
    plain = replace(calibration, retrieved=replace(calibration.retrieved, curve=(1.0, 1.0, 0.0)))
    unbent = judge(plain, corpus("held out", held_out))
    error = calibration_error(bent.confidence, bent.right)
    assert error < 0.03
    assert error < calibration_error(unbent.confidence, unbent.right)


def test_a_judgement_is_what_the_linker_says() -> None:
    choices = drawn(4, 50)
    calibration = fit([corpus("one", choices)])
    judged = judge(calibration, corpus("one", choices))
    for row, confidence in zip(choices.rows, judged.confidence, strict=True):
        candidates = [
            Candidate(
                n, "", "", "", "synonym", MatchSource.EXACT if hit else MatchSource.DENSE, level + gap, level + gap
            )
            for n, (level, gap, hit, *_) in enumerate(row.tolist())
        ]
        assert confidences(candidates, calibration)[0] == pytest.approx(confidence, abs=1e-9)


def test_mentions_are_judged_reranked_or_not_as_the_pipeline_would_have_it() -> None:
    retrieved, reranked = drawn(5, 400), drawn(6, 400, rerank=1.0)
    both = corpus("both", retrieved, reranked=reranked, kept=0.5)
    calibration = fit([both])
    assert calibration.reranked is not None
    assert dict(zip(FEATURES, calibration.reranked.features, strict=True))["rerank"] > 0.3
    judged = judge(replace(calibration, gate=1.0), both)
    assert judged.read.tolist() == [False] * 200 + [True] * 200
    assert (judged.right[:200] == retrieved.right[:200, 0]).all()
    assert (judged.right[200:] == reranked.right[200:, 0]).all()
    alone = judge(calibration, corpus("retrieved", retrieved))
    assert (judge(replace(calibration, gate=0.0), both).confidence == alone.confidence).all()
    half = judge(replace(calibration, gate=0.5), both)
    assert (half.read == judged.read & (alone.confidence <= 0.5)).all()
    assert not alone.read.any()


def test_the_gate_is_the_lowest_that_costs_no_corpus_an_answer() -> None:
    retrieved = drawn(12, 400)
    weights = fit([corpus("retrieved", retrieved)]).retrieved
    sure = judge(fit([corpus("retrieved", retrieved)]), corpus("retrieved", retrieved)).confidence

    def reread(name: str, gains: np.ndarray) -> Observed:
        """Mentions that retrieval gets wrong, and the cross-encoder right where `gains`."""
        wrong = replace(retrieved, right=np.zeros_like(retrieved.right))
        right = np.zeros_like(retrieved.right)
        right[gains, 0] = True
        return corpus(name, wrong, reranked=replace(retrieved, right=right), kept=0.0)

    below = reread("helped where unsure", sure < 0.4)
    above = reread("helped where surer", sure < 0.7)
    assert 0.35 < fit_gate([below], weights) < 0.45
    assert 0.65 < fit_gate([below, above], weights) < 0.75
    assert fit_gate([reread("never helped", sure < 0)], weights) == 0.0
    assert fit_gate([reread("helped always", sure <= 1)], weights) >= sure.max()
    assert fit_gate([corpus("without a cross-encoder", retrieved)], weights) == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_a_calibration_keeps_every_corpus_as_right_as_its_gate_open(seed: int) -> None:
    both = [
        corpus(f"{n}", drawn(seed + n, 300), reranked=drawn(seed + 20 + n, 300, rerank=1.0), kept=0.3) for n in (0, 10)
    ]
    calibration = fit(both)
    for each in both:
        gated, ungated = judge(calibration, each), judge(replace(calibration, gate=1.0), each)
        assert gated.right.mean() >= ungated.right.mean()
        assert gated.read.sum() <= ungated.read.sum()


def test_a_fold_is_judged_without_having_been_seen() -> None:
    plain = corpus("one", drawn(7, 400))
    judged = cross_validated([plain])[0]
    whole = judge(fit([plain]), plain)
    assert (judged.right == whole.right).all()
    assert not np.isclose(judged.confidence, whole.confidence, atol=1e-6).any()
    # A note's mentions are in one fold: change what is right in one note, and its own confidences stay.
    changed = plain.retrieved.right.copy()
    changed[plain.notes == "note 7"] = False
    again = cross_validated([replace(plain, retrieved=replace(plain.retrieved, right=changed))])[0]
    same = again.confidence == judged.confidence
    assert same[plain.notes == "note 7"].all()
    assert 0.5 < (~same).mean() <= (FOLDS - 1) / FOLDS + 0.05


def test_a_corpus_left_out_has_no_say() -> None:
    one, other = corpus("one", drawn(8, 300)), corpus("other", drawn(9, 300, noise=0.4))
    assert (left_out([one, other])[0].confidence == judge(fit([other]), one).confidence).all()
    assert left_out([one]) == []


def test_fits_repeat_themselves() -> None:
    assert fit([corpus("one", drawn(10, 300))]) == fit([corpus("one", drawn(10, 300))])


def test_too_few_notes_are_told() -> None:
    with pytest.raises(InvalidInput, match="notes"):
        cross_validated([corpus("tiny", drawn(11, 8))])


def judgement(confidence: list[float], right: list[bool]) -> Judgement:
    nothing = np.zeros(len(right), dtype=np.bool_)
    return Judgement(np.array(confidence), np.array(right), nothing, nothing, nothing, np.array([""] * len(right)))


def test_a_threshold_gives_the_precision_it_is_for() -> None:
    one = judgement([0.9, 0.8, 0.7, 0.6, 0.5], [True, True, False, True, False])
    assert threshold_for([one], 1.0) == pytest.approx(0.8)
    assert threshold_for([one], 0.75) == pytest.approx(0.6)
    with pytest.raises(InvalidInput, match="the best is 0"):
        threshold_for([judgement([0.9], [False])], 0.5)


def test_observing_imitates_nil_and_counts_what_the_bundle_lacks(linker: Linker) -> None:
    gold = [
        GoldMention("1", (Mention("heart attack"),), frozenset({"CLINIC:0003"})),
        GoldMention("1", (Mention("hayfever"),), frozenset({"CLINIC:9999"})),
        GoldMention("2", (Mention("asthma"), Mention("metformin")), frozenset({"DEMO:R2", "CLINIC:0007"})),
        GoldMention("2", (Mention("nothing of note"),), frozenset()),
    ]
    observed = observe(linker, gold, name="invented")
    assert observed.missing == {"CLINIC:9999": 1}
    assert observed.imitated.tolist() == [False] * 5 + [True] * 3
    assert observed.nil.tolist() == [False, True, False, False, True] + [True] * 3
    assert observed.notes.tolist() == ["1", "1", "2", "2", "2", "1", "2", "2"]
    assert observed.retrieved.right[:, 0].tolist() == [True, False, True, True, False] + [False] * 3
    assert not observed.retrieved.right[5:].any()
    exact = observed.retrieved.rows[:, 0, FEATURES.index("exact")]
    assert exact[0] == 1
    assert exact[5] == 0  # the concept is gone, and its exact hit with it
    level = observed.retrieved.rows[:, 0, FEATURES.index("level")]
    assert level[5] < level[0]
    assert observed.reranked is None
    assert observed.kept.all()
