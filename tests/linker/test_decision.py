from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker.decision import Calibration, confidences, decide, read_calibration
from linker.errors import BundleCorrupt
from linker.records import Candidate, MatchSource, NilReason

CALIBRATION = Calibration(
    level=20.0, gap=20.0, exact=2.0, rerank=1.0, nil=15.0, threshold=0.5, depth=20, fitted_on="nothing"
)


def candidate(similarity: float, source: MatchSource = MatchSource.DENSE, concept: int = 0) -> Candidate:
    return Candidate(
        concept=concept,
        concept_id=f"X:{concept}",
        preferred_name="x",
        matched_name="x",
        term_type="synonym",
        source=source,
        similarity=similarity,
    )


candidates = st.lists(
    st.builds(candidate, st.floats(-1, 1), st.sampled_from(MatchSource), st.integers(0, 9)), min_size=1, max_size=40
)


@given(candidates, st.floats(0, 1))
def test_confidence_is_a_probability_and_nil_follows_the_threshold(found: list[Candidate], threshold: float) -> None:
    sure, reason = decide(found, CALIBRATION, min_confidence=threshold)
    assert sure.shape == (len(found),)
    assert all(0.0 <= p <= 1.0 for p in sure)
    assert sure.sum() <= 1.0 + 1e-9
    assert (reason is None) == (sure[0] >= threshold)


@given(candidates)
def test_what_lies_beyond_the_depth_changes_nothing(found: list[Candidate]) -> None:
    assert list(confidences(found, CALIBRATION)[:20]) == list(confidences(found[:20], CALIBRATION))


@given(st.floats(-1, 0.99), st.floats(0.001, 0.01))
def test_more_similar_is_surer(similarity: float, step: float) -> None:
    low, high = (confidences([candidate(s)], CALIBRATION)[0] for s in (similarity, similarity + step))
    assert high > low


def test_reasons() -> None:
    assert decide([], CALIBRATION)[1] is NilReason.NO_CANDIDATE
    assert decide([candidate(0.1)], CALIBRATION)[1] is NilReason.BELOW_THRESHOLD
    assert decide([candidate(1.0, MatchSource.EXACT)], CALIBRATION)[1] is None
    fading = [candidate(0.9 - n / 25, concept=n) for n in range(20)]  # each 0.45 times as likely as the one before
    assert decide(fading, replace(CALIBRATION, threshold=0.9))[1] is NilReason.BELOW_THRESHOLD
    twins = [candidate(1.0, MatchSource.EXACT, n) for n in range(2)]
    assert decide(twins, replace(CALIBRATION, threshold=0.6))[1] is NilReason.AMBIGUOUS


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff"])
def test_a_calibration_of_nonsense_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(content)
    with pytest.raises(BundleCorrupt, match=r"calibration\.json"):
        read_calibration(path)


def test_a_calibration_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_bytes(CALIBRATION.to_json())
    assert read_calibration(path) == CALIBRATION
    assert json.loads(path.read_text())["fitted_on"] == "nothing"
