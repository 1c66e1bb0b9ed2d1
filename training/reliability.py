"""How far confidences can be trusted: figures and the reliability diagram (Niculescu-Mizil and Caruana, 2005)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from linker.evaluation import BINS, Bin, calibration_bins, calibration_error, coverage
from training.judgement import Judgement

PRECISIONS = (0.90, 0.95, 0.99)
NIL_SHARE = 0.1  # of imitated NIL mentions among those that NIL precision and recall are counted over
DRAWS = 200
POOLED = "all"


@dataclass(frozen=True, slots=True)
class Reliability:
    """Of the first candidates of one corpus.

    read: share that the cross-encoder reads. ece: expected calibration error, 15 bins. ece_by_chance: what it would be
    on the average of as many mentions if the confidences were exactly right. coverage_at: largest share of mentions
    answered at a precision, surest first. answered, precision: at the threshold. nil_precision, nil_recall: at the
    threshold, where the gold concept is taken out of the bundle's answers for `NIL_SHARE` of the mentions; NIL is right
    where the bundle lacks the concept.
    """

    corpus: str
    mentions: int
    read: float
    ece: float
    ece_by_chance: float
    coverage_at: dict[str, float]
    answered: float
    precision: float | None
    nil_precision: float | None
    nil_recall: float | None
    bins: tuple[Bin, ...]


def reliability(corpus: str, judged: Judgement, *, threshold: float) -> Reliability:
    """The figures of one corpus, or of several as one."""
    real = judged.take(~judged.imitated)
    answered = real.confidence >= threshold
    importance = _nil_importance(judged.imitated)
    silent = judged.confidence < threshold
    return Reliability(
        corpus=corpus,
        mentions=len(real.right),
        read=float(real.read.mean()),
        ece=calibration_error(real.confidence, real.right),
        ece_by_chance=_error_by_chance(real.confidence),
        coverage_at={f"{p:.2f}": coverage(real.confidence, real.right, precision=p) for p in PRECISIONS},
        answered=float(answered.mean()),
        precision=_share(real.right, answered, np.ones(len(answered))),
        nil_precision=_share(judged.nil, silent, importance),
        nil_recall=_share(silent, judged.nil, importance),
        bins=calibration_bins(real.confidence, real.right),
    )


def pooled(judgements: Sequence[Judgement]) -> Judgement:
    """Several corpora as one."""
    return Judgement(*(np.concatenate([getattr(j, field.name) for j in judgements]) for field in fields(Judgement)))


def _nil_importance(imitated: NDArray[np.bool_]) -> NDArray[np.float64]:
    real, copies = int((~imitated).sum()), max(int(imitated.sum()), 1)
    return np.where(imitated, NIL_SHARE / (1 - NIL_SHARE) * real / copies, 1.0)


def _share(hits: NDArray[np.bool_], among: NDArray[np.bool_], importance: NDArray[np.float64]) -> float | None:
    return float(np.average(hits[among], weights=importance[among])) if among.any() else None


def _error_by_chance(confidence: NDArray[np.float64]) -> float:
    random = np.random.default_rng(0)
    return float(
        np.mean([calibration_error(confidence, random.random(len(confidence)) < confidence) for _ in range(DRAWS)])
    )


def diagram(figures: Sequence[Reliability]) -> bytes:
    """A PNG: for each corpus accuracy against confidence, bin by bin, above the number of mentions in each bin."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6 * len(figures), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(figures), sharex=True, squeeze=False, gridspec_kw={"height_ratios": [3, 1]})
    for column, one in enumerate(figures):
        curve, counts = axes[0][column], axes[1][column]
        middles = [(b.low + b.high) / 2 for b in one.bins]
        curve.plot([0, 1], [0, 1], "--", color="grey", linewidth=1)
        curve.plot([b.confidence for b in one.bins], [b.accuracy for b in one.bins], "o-", markersize=4)
        curve.set(xlim=(0, 1), ylim=(0, 1), title=f"{one.corpus}\n{one.mentions:,} mentions, ECE {one.ece:.3f}")
        counts.bar(middles, [b.mentions for b in one.bins], width=1 / BINS)
        counts.set(xlabel="confidence", yscale="log")
    axes[0][0].set_ylabel("share that is right")
    axes[1][0].set_ylabel("mentions")
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110, metadata={"Software": None})
    return drawn.getvalue()
