from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra `train`")

from linker.decision import confidences
from linker.records import Candidate, MatchSource
from training.calibration import DEPTH, Choices, fit, joined


def drawn(seed: int, mentions: int = 4000) -> Choices:
    """Mentions whose right answer is drawn from a known model: level 12, gap 25, exact 2, nil 9."""
    random = np.random.default_rng(seed)
    level = np.repeat(random.uniform(0.3, 1.0, size=(mentions, 1)), DEPTH, axis=1)
    similarity = level - np.sort(random.uniform(0.0, 0.5, size=(mentions, DEPTH)), axis=1)
    similarity[:, 0] = level[:, 0]
    exact = np.zeros_like(similarity)
    exact[:, 0] = random.random(mentions) < 0.5
    features = np.stack([level, similarity - level, exact, np.zeros_like(exact)], axis=-1)
    utilities = np.append(features @ np.array([12.0, 25.0, 2.0, 0.0]), np.full((mentions, 1), 9.0), axis=1)
    chosen = (utilities + random.gumbel(size=utilities.shape)).argmax(axis=1)
    right = np.arange(DEPTH) == chosen[:, None]
    return Choices(features, np.ones_like(right), right)


def test_the_weights_the_choices_were_drawn_with_are_found() -> None:
    calibration = fit(joined([drawn(0), drawn(1)]), fitted_on="a draw")
    found = [calibration.level, calibration.gap, calibration.exact, calibration.nil]
    assert found == pytest.approx([12.0, 25.0, 2.0, 9.0], rel=0.15)
    assert calibration.fitted_on == "a draw"


def test_fitted_confidence_is_the_share_that_is_right() -> None:
    calibration, held_out = fit(drawn(2), fitted_on=""), drawn(3, 1500)
    sure = []
    for row in held_out.features:
        candidates = [
            Candidate(n, "", "", "", "synonym", MatchSource.EXACT if exact else MatchSource.DENSE, level + gap)
            for n, (level, gap, exact, _) in enumerate(row)
        ]
        sure.append(confidences(candidates, calibration)[0])
    assert np.mean(sure) == pytest.approx(held_out.right[:, 0].mean(), abs=0.03)


def test_a_fit_repeats_itself() -> None:
    assert fit(drawn(4, 300), fitted_on="") == fit(drawn(4, 300), fitted_on="")
