"""Evaluation on gold mentions: acc@k, recall@64, MRR, calibration, errors, beside the exact-match baseline.

Ties and composite mentions count as `linker.outcomes` says. Intervals are 95 % percentile bootstraps over notes, since
mentions of one note are not independent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import fsum

import numpy as np
from numpy.typing import NDArray

from linker.corpus import GoldMention
from linker.outcomes import RECALL_DEPTH, Outcome, identifiers, judge, worst_rank
from linker.pipeline import Linker
from linker.records import RerankMode

__all__ = [
    "Accuracy",
    "Bin",
    "Breakdown",
    "Report",
    "bootstrap_interval",
    "calibration_bins",
    "calibration_error",
    "coverage",
    "evaluate",
    "identifiers",
    "summarise",
    "worst_rank",
]

RESAMPLES = 1000
BINS = 15

Ranks = NDArray[np.float64]  # rank of the first right concept from 1, infinite where there is none: (mentions,)
Shares = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares of mentions, in [0, 1]. interval: 95 % of the bootstrap's acc@1."""

    mentions: int
    acc_at_1: float
    acc_at_5: float
    acc_at_20: float
    recall_at_64: float
    mrr: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bin:
    """The mentions whose confidence lies between two values: their mean confidence, and the share that is right."""

    low: float
    high: float
    mentions: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Some of the mentions. faults: mentions by `linker.outcomes.Fault`."""

    mentions: int
    acc_at_1: float
    faults: dict[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """One corpus against one bundle.

    exact: the baseline that answers with the only concept of that name. seen, unseen: is the surface form a name in the
    bundle? reachable: share of mentions with a gold id that the bundle has. ece: expected calibration error, over
    `bins`. coverage_at_95: largest share of mentions answered, the surest first, at a precision of 0.95. NIL: mentions
    without a gold id in the bundle; precision and recall of answering NIL, None where nothing was to count.
    reranked: share of mentions that the cross-encoder read, at pairs_per_mention on the average over all of them.
    by_type: by semantic type of the gold concept; a concept of two types counts in both.
    """

    bundle: str
    overall: Accuracy
    exact: Accuracy
    seen: Accuracy | None
    unseen: Accuracy | None
    reachable: float
    ece: float
    coverage_at_95: float
    nil_precision: float | None
    nil_recall: float | None
    pairs_per_mention: float
    reranked: float
    bins: tuple[Bin, ...]
    errors: Breakdown
    by_type: dict[str, Breakdown]

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)


def evaluate(
    linker: Linker,
    mentions: Sequence[GoldMention],
    *,
    rerank: RerankMode = RerankMode.AUTO,
    advance: Callable[[int], object] = int,
) -> Report:
    """Link every gold mention and score the answers. `advance` is called with the mentions done since the last call.

    Mentions whose gold is empty count for NIL only.
    """
    return summarise(judge(linker, mentions, rerank=rerank, advance=advance), bundle=linker.bundle.digest)


def summarise(outcomes: Sequence[Outcome], *, bundle: str) -> Report:
    """The figures over what became of each mention. bundle: the digest of what answered."""
    named = [outcome for outcome in outcomes if outcome.gold]
    ranks, exact_ranks = np.array([o.rank for o in named]), np.array([o.exact_rank for o in named])
    notes = np.array([o.note_id for o in named])
    seen = np.array([o.seen for o in named], dtype=bool)
    sure, right = np.array([o.confidence for o in named]), ranks == 1
    is_nil, answered_nil = np.array([(not o.reachable, o.nil) for o in outcomes], dtype=bool).reshape(-1, 2).T
    pairs = np.array([o.pairs for o in outcomes])
    return Report(
        bundle=bundle,
        overall=_accuracy(ranks, notes),
        exact=_accuracy(exact_ranks, notes),
        seen=_accuracy(ranks[seen], notes[seen]) if seen.any() else None,
        unseen=_accuracy(ranks[~seen], notes[~seen]) if (~seen).any() else None,
        reachable=float(np.mean([o.reachable for o in named])) if named else 0.0,
        ece=calibration_error(sure, right),
        coverage_at_95=coverage(sure, right, precision=0.95),
        nil_precision=_share(is_nil, answered_nil),
        nil_recall=_share(answered_nil, is_nil),
        pairs_per_mention=float(pairs.mean()) if len(pairs) else 0.0,
        reranked=float((pairs > 0).mean()) if len(pairs) else 0.0,
        bins=calibration_bins(sure, right),
        errors=_breakdown(outcomes),
        by_type={kind: _breakdown(some) for kind, some in _by_type(named).items()},
    )


def _by_type(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """The most frequent type first."""
    counts = Counter(kind for outcome in outcomes for kind in outcome.types)
    kinds = sorted(counts, key=lambda kind: (-counts[kind], kind))
    return {kind: [o for o in outcomes if kind in o.types] for kind in kinds}


def _breakdown(outcomes: Sequence[Outcome]) -> Breakdown:
    named = [outcome.right for outcome in outcomes if outcome.gold]
    faults = Counter(str(outcome.fault) for outcome in outcomes if outcome.fault is not None)
    return Breakdown(len(outcomes), sum(named) / len(named) if named else 0.0, dict(sorted(faults.items())))


def _share(hits: Flags, among: Flags) -> float | None:
    return float(hits[among].mean()) if among.any() else None


def _accuracy(ranks: Ranks, notes: NDArray[np.str_]) -> Accuracy:
    if not len(ranks):
        return Accuracy(0, 0.0, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0))
    return Accuracy(
        mentions=len(ranks),
        acc_at_1=float(np.mean(ranks <= 1)),
        acc_at_5=float(np.mean(ranks <= 5)),
        acc_at_20=float(np.mean(ranks <= 20)),
        # Reranking only reorders what was retrieved, so that what is among them now was among them before.
        recall_at_64=float(np.mean(ranks <= RECALL_DEPTH)),
        mrr=fsum(1 / ranks) / len(ranks),
        interval=bootstrap_interval(ranks <= 1, notes),
    )


def bootstrap_interval(right: Flags, notes: NDArray[np.str_]) -> tuple[float, float]:
    """95 % percentile interval of the mean of `right`, resampling notes (seeded, 1,000 resamples)."""
    _, note = np.unique(notes, return_inverse=True)
    sizes = np.bincount(note)
    hits = np.bincount(note, weights=right)
    draws = np.random.default_rng(0).integers(0, len(sizes), size=(RESAMPLES, len(sizes)))
    means = hits[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def calibration_bins(confidence: Shares, right: Flags) -> tuple[Bin, ...]:
    """15 bins of equal width, without the empty ones. confidence: (n,) in [0, 1].

    Sums are exact (`fsum`), so that the order of the mentions changes no bit.
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    return tuple(
        Bin(
            low=b / BINS,
            high=(b + 1) / BINS,
            mentions=int((bins == b).sum()),
            confidence=fsum(confidence[bins == b]) / int((bins == b).sum()),
            accuracy=float(right[bins == b].mean()),
        )
        for b in np.unique(bins).tolist()
    )


def calibration_error(confidence: Shares, right: Flags) -> float:
    """Expected calibration error with 15 bins of equal width (Guo et al., 2017, eq. 3)."""
    gaps = [b.mentions * abs(b.accuracy - b.confidence) for b in calibration_bins(confidence, right)]
    return sum(gaps) / len(confidence) if gaps else 0.0


def coverage(confidence: Shares, right: Flags, *, precision: float) -> float:
    """Largest share of mentions answered, the surest first, with at least this precision among them.

    Mentions of equal confidence are answered together or not at all.
    """
    order = np.argsort(-confidence, kind="stable")
    precisions = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    whole = np.append(confidence[order][1:] != confidence[order][:-1], True) if len(order) else np.array([], dtype=bool)
    good = np.flatnonzero((precisions >= precision) & whole)
    return float(good[-1] + 1) / len(order) if len(good) else 0.0
