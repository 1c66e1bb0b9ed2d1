from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra `train`")
pytest.importorskip("matplotlib", reason="needs the extra `train`")

from training.judgement import Judgement
from training.reliability import diagram, pooled, reliability


def judgement(confidence: list[float], right: list[bool], imitated: int = 0, nil: int = 0) -> Judgement:
    """The first was read. The last `imitated` are imitated, and NIL; before them the last `nil` are NIL as they are."""
    count = len(right)
    return Judgement(
        np.array(confidence),
        np.array(right),
        np.arange(count) < 1,
        np.arange(count) >= count - imitated,
        np.arange(count) >= count - imitated - nil,
        np.array([""] * count),
    )


def test_figures_are_of_the_mentions_as_they_are_but_for_nil() -> None:
    figures = reliability(
        "x", judgement([1.0, 1.0, 0.1, 0.1, 0.9], [True, True, False, False, False], 2), threshold=0.5
    )
    assert figures.mentions == 3
    assert figures.read == pytest.approx(1 / 3)
    assert figures.answered == pytest.approx(2 / 3)
    assert figures.precision == 1.0
    assert figures.coverage_at == {
        "0.90": pytest.approx(2 / 3),
        "0.95": pytest.approx(2 / 3),
        "0.99": pytest.approx(2 / 3),
    }
    assert figures.nil_recall == pytest.approx(0.5)
    # Silent: one mention that is in the bundle, of weight 1, and one imitated of 3 * (0.1 / 0.9) / 2.
    assert figures.nil_precision == pytest.approx((1 / 6) / (1 + 1 / 6))
    assert figures.ece == pytest.approx(0.1 / 3)


def test_nil_in_the_gold_counts() -> None:
    figures = reliability("x", judgement([0.9, 0.2, 0.8], [True, False, False], nil=2), threshold=0.5)
    assert (figures.nil_precision, figures.nil_recall) == (1.0, 0.5)


def test_without_answers_or_nil_there_are_no_shares() -> None:
    figures = reliability("x", judgement([0.2, 0.3], [True, True]), threshold=0.5)
    assert (figures.precision, figures.nil_precision, figures.nil_recall) == (None, 0.0, None)


def test_error_by_chance_is_what_perfect_confidences_show() -> None:
    random = np.random.default_rng(0)
    sure = random.random(20_000)
    perfect = judgement(sure.tolist(), (random.random(20_000) < sure).tolist())
    figures = reliability("x", perfect, threshold=0.5)
    assert figures.ece == pytest.approx(figures.ece_by_chance, abs=0.005)
    fewer = reliability("x", perfect.take(np.arange(20_000) < 300), threshold=0.5)
    assert fewer.ece_by_chance > 3 * figures.ece_by_chance


def test_the_diagram_is_a_png_and_repeats_itself() -> None:
    one, other = judgement([0.2, 0.8], [False, True]), judgement([0.5], [True])
    figures = [reliability(name, j, threshold=0.5) for name, j in (("a", one), ("all", pooled([one, other])))]
    assert figures[1].mentions == 3
    drawn = diagram(figures)
    assert drawn.startswith(b"\x89PNG")
    assert drawn == diagram(figures)
