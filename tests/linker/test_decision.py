from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker.decision import FEATURES, Calibration, Weights, confidences, decide, features, read_calibration
from linker.errors import BundleCorrupt
from linker.records import TIERS, Candidate, MatchSource, NilReason


def weights(*, nil: float = 15.0, curve: tuple[float, float, float] = (1.0, 1.0, 0.0), **chosen: float) -> Weights:
    usual = {"level": 20.0, "gap": 20.0, "exact": 2.0, "lead": 0.5, "related": -1.0, "rerank": 1.0} | chosen
    return Weights(tuple(usual[name] for name in FEATURES), nil, curve)


CALIBRATION = Calibration(
    retrieved=weights(), reranked=weights(nil=3.0), gate=0.9, threshold=0.5, depth=20, fitted_on="nothing"
)
curves = st.tuples(st.floats(0, 3), st.floats(0, 3), st.floats(-3, 3))


def candidate(
    similarity: float,
    source: MatchSource = MatchSource.DENSE,
    concept: int = 0,
    term_type: str = "synonym",
    rerank_score: float | None = None,
) -> Candidate:
    return Candidate(
        concept=concept,
        concept_id=f"X:{concept}",
        preferred_name="x",
        matched_name="x",
        term_type=term_type,
        source=source,
        similarity=similarity,
        support=similarity,
        rerank_score=rerank_score,
    )


candidates = st.lists(
    st.builds(
        candidate,
        st.floats(-1, 1),
        st.sampled_from(MatchSource),
        st.integers(0, 9),
        st.sampled_from(list(TIERS)),
        st.none() | st.floats(-20, 20),
    ),
    min_size=1,
    max_size=40,
)


@given(candidates, st.floats(0, 1), curves)
def test_confidence_is_a_probability_and_nil_follows_the_threshold(
    found: list[Candidate], threshold: float, curve: tuple[float, float, float]
) -> None:
    calibration = replace(CALIBRATION, retrieved=weights(curve=curve), reranked=weights(curve=curve))
    sure = confidences(found, calibration)
    reason = decide(sure, calibration, min_confidence=threshold)
    assert sure.shape == (len(found),)
    assert all(0.0 <= p <= 1.0 for p in sure)
    assert sure.sum() <= 1.0 + 1e-9
    assert (reason is None) == (sure[0] >= threshold)


@given(candidates)
def test_nobody_is_surer_than_who_ranks_above(found: list[Candidate]) -> None:
    assert (np.diff(confidences(found, CALIBRATION)) <= 0).all()


@given(candidates)
def test_what_lies_beyond_the_depth_changes_nothing(found: list[Candidate]) -> None:
    assert list(confidences(found, CALIBRATION)[:20]) == list(confidences(found[:20], CALIBRATION))


@given(st.floats(-1, 0.99), st.floats(0.001, 0.01))
def test_more_similar_is_surer(similarity: float, step: float) -> None:
    low, high = (confidences([candidate(s)], CALIBRATION)[0] for s in (similarity, similarity + step))
    assert high > low


@given(st.integers(2, 9), st.sampled_from(MatchSource), curves)
def test_what_cannot_be_told_apart_is_equally_sure(
    count: int, source: MatchSource, curve: tuple[float, float, float]
) -> None:
    calibration = replace(CALIBRATION, retrieved=weights(curve=curve))
    sure = confidences([candidate(1.0, source, n) for n in range(count)], calibration)
    assert sure.max() == pytest.approx(sure.min(), rel=1e-9)
    assert sure.max() <= 1 / count + 1e-9


def test_the_ranking_has_the_last_word() -> None:
    likely = confidences([candidate(0.9)], CALIBRATION)[0]
    sure = confidences([candidate(0.5), candidate(0.9, concept=1)], CALIBRATION)
    assert sure[0] == sure[1] < 0.1 < likely


def test_the_curve_is_beta_calibration() -> None:
    plain = confidences([candidate(0.8)], CALIBRATION)[0]
    a, b, offset = 2.0, 0.5, 0.3
    curved = confidences([candidate(0.8)], replace(CALIBRATION, retrieved=weights(curve=(a, b, offset))))[0]
    assert np.log(curved / (1 - curved)) == pytest.approx(a * np.log(plain) - b * np.log(1 - plain) + offset)


def test_what_the_cross_encoder_read_has_weights_of_its_own() -> None:
    read, unread = [candidate(0.6, rerank_score=0.0)], [candidate(0.6)]
    assert confidences(read, CALIBRATION)[0] > 0.9 > 0.1 > confidences(unread, CALIBRATION)[0]
    without = replace(CALIBRATION, reranked=None)
    assert confidences(read, without)[0] == confidences(unread, without)[0]


def test_an_unread_candidate_counts_as_the_worst_that_was_read() -> None:
    scores = [4.0, -2.0, None]
    found = features([candidate(0.5, concept=n, rerank_score=score) for n, score in enumerate(scores)])
    assert list(found[:, FEATURES.index("rerank")]) == [4.0, -2.0, -2.0]


def test_of_exact_hits_the_best_term_type_counts() -> None:
    found = [candidate(1.0, MatchSource.EXACT, n, kind) for n, kind in enumerate(("preferred", "synonym", "related"))]
    assert list(features(found)[:, FEATURES.index("exact")]) == [1, 0, 0]
    assert list(features(found)[:, FEATURES.index("lead")]) == [1, 0, 0]
    assert list(features(found)[:, FEATURES.index("related")]) == [0, 0, 1]


def test_reasons() -> None:
    def reason(found: list[Candidate], calibration: Calibration = CALIBRATION) -> NilReason | None:
        return decide(confidences(found, calibration), calibration)

    assert reason([]) is NilReason.NO_CANDIDATE
    assert reason([candidate(0.1)]) is NilReason.BELOW_THRESHOLD
    assert reason([candidate(1.0, MatchSource.EXACT)]) is None
    fading = [candidate(0.9 - n / 25, concept=n) for n in range(20)]  # each 0.45 times as likely as the one before
    assert reason(fading, replace(CALIBRATION, threshold=0.9)) is NilReason.BELOW_THRESHOLD
    twins = [candidate(1.0, MatchSource.EXACT, n) for n in range(2)]
    assert reason(twins, replace(CALIBRATION, threshold=0.6)) is NilReason.AMBIGUOUS


def altered(**fields: object) -> bytes:
    return json.dumps({**json.loads(CALIBRATION.to_json()), **fields}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        altered(retrieved=None),
        altered(retrieved={"features": {}, "nil": 1, "curve": [1, 1, 0]}),
        altered(reranked={**json.loads(CALIBRATION.to_json())["reranked"], "curve": [1, 1]}),
        altered(reranked={**json.loads(CALIBRATION.to_json())["reranked"], "nil": float("nan")}),
    ],
)
def test_a_calibration_of_nonsense_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(content)
    with pytest.raises(BundleCorrupt, match=r"calibration\.json"):
        read_calibration(path)


@pytest.mark.parametrize("calibration", [CALIBRATION, replace(CALIBRATION, reranked=None)])
def test_a_calibration_reads_back(tmp_path: Path, calibration: Calibration) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(calibration.to_json())
    assert read_calibration(path) == calibration
