"""Evaluation on gold mentions: acc@k, recall@64, MRR, calibration, each beside the exact-match baseline.

Ties: a concept counts at its worst tied rank, so that nothing is won by the order among equals. A composite mention
is right when every part is (the protocol of BioSyn, Sung et al. 2020). Intervals are 95 % percentile bootstraps over
notes, since mentions of one note are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from linker.corpus import GoldMention
from linker.pipeline import Linker, Options
from linker.records import Candidate, Link, MatchSource, RerankMode
from linker.surface import normalise

RECALL_DEPTH = 64
RESAMPLES = 1000
BINS = 15
BATCH = 256

Ranks = NDArray[np.float64]  # rank of the first right concept from 1, infinite where there is none: (mentions,)


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
class Report:
    """One corpus against one bundle.

    exact: the baseline that answers with the only concept of that name. seen, unseen: is the surface form a name in the
    bundle? reachable: share of mentions with a gold id that the bundle has. ece: expected calibration error, 15 bins of
    equal width. coverage_at_95: largest share of mentions answered, the surest first, at a precision of 0.95. NIL:
    mentions without a gold id in the bundle; precision and recall of answering NIL, None where nothing was to count.
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

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return asdict(self)


def evaluate(linker: Linker, mentions: Sequence[GoldMention], *, advance: Callable[[int], object] = int) -> Report:
    """Link every gold mention and score the answers. `advance` is called with the mentions done since the last call.

    Mentions whose gold is empty count for NIL only.
    """
    scorer = _Scorer(linker)
    for start in range(0, len(mentions), BATCH):
        scorer.add(mentions[start : start + BATCH])
        advance(len(mentions[start : start + BATCH]))
    return scorer.report()


class _Scorer:
    def __init__(self, linker: Linker) -> None:
        self._linker = linker
        self._ids = linker.bundle.terminology.all_ids()
        self._notes: list[str] = []
        self._ranks: list[float] = []
        self._retrieved: list[float] = []
        self._exact: list[float] = []
        self._seen: list[bool] = []
        self._reachable: list[bool] = []
        self._confidence: list[float] = []
        self._nil: list[tuple[bool, bool]] = []  # (is NIL, answered NIL)

    def add(self, mentions: Sequence[GoldMention]) -> None:
        parts = [part for mention in mentions for part in mention.parts]
        reranked = self._linker.link(parts, Options(top_k=RECALL_DEPTH))
        before = reranked
        if self._linker.bundle.reranker is not None:
            before = self._linker.link(parts, Options(top_k=RECALL_DEPTH, rerank=RerankMode.NEVER))
        links, retrieved = iter(reranked), iter(before)
        for mention in mentions:
            count = len(mention.parts)
            self._score(mention, [next(links) for _ in range(count)], [next(retrieved) for _ in range(count)])

    def _score(self, mention: GoldMention, links: list[Link], retrieved: list[Link]) -> None:
        reachable = not mention.gold.isdisjoint(self._ids)
        self._nil.append((not reachable, all(link.nil_reason is not None for link in links)))
        if not mention.gold:
            return
        terminology = self._linker.bundle.terminology
        self._notes.append(mention.note_id)
        self._reachable.append(reachable)
        self._ranks.append(max(worst_rank(link.candidates, mention.gold) for link in links))
        self._retrieved.append(max(worst_rank(link.candidates, mention.gold) for link in retrieved))
        exact = [[c for c in link.candidates if c.source is MatchSource.EXACT] for link in retrieved]
        self._exact.append(max(worst_rank(found, mention.gold) for found in exact))
        self._seen.append(all(terminology.names_equal(normalise(part.text)) for part in mention.parts))
        self._confidence.append(min((link.candidates[0].confidence if link.candidates else 0.0) for link in links))

    def report(self) -> Report:
        ranks, retrieved, notes = np.array(self._ranks), np.array(self._retrieved), np.array(self._notes)
        exact, seen, sure = np.array(self._exact), np.array(self._seen, dtype=bool), np.array(self._confidence)
        right = ranks == 1
        nil = np.array(self._nil, dtype=bool).reshape(-1, 2)
        return Report(
            bundle=self._linker.bundle.digest,
            overall=_accuracy(ranks, retrieved, notes),
            exact=_accuracy(exact, exact, notes),
            seen=_accuracy(ranks[seen], retrieved[seen], notes[seen]) if seen.any() else None,
            unseen=_accuracy(ranks[~seen], retrieved[~seen], notes[~seen]) if (~seen).any() else None,
            reachable=float(np.mean(self._reachable)) if self._reachable else 0.0,
            ece=calibration_error(sure, right),
            coverage_at_95=coverage(sure, right, precision=0.95),
            nil_precision=_share(nil[:, 0], nil[:, 1]),
            nil_recall=_share(nil[:, 1], nil[:, 0]),
        )


def _share(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> float | None:
    return float(hits[among].mean()) if among.any() else None


def identifiers(candidate: Candidate) -> set[str]:
    """Every id by which gold may name the candidate: its id (alternates apart, `C567755|613097`) and its codes."""
    return {*candidate.concept_id.split("|"), *(f"{code.system}:{code.code}" for code in candidate.codes)}


def worst_rank(candidates: Sequence[Candidate], gold: frozenset[str]) -> float:
    """Rank, from 1, of the first right candidate, counted at the end of its tie; infinite without one."""
    for position, candidate in enumerate(candidates):
        if not gold.isdisjoint(identifiers(candidate)):
            tied = [c for c in candidates[position:] if _scores(c) == _scores(candidate)]
            wrong = [c for c in tied if gold.isdisjoint(identifiers(c))]
            return float(position + 1 + len(wrong))
    return float("inf")


def _scores(candidate: Candidate) -> tuple[object, ...]:
    return candidate.source, candidate.similarity, candidate.rerank_score, candidate.confidence


def _accuracy(ranks: Ranks, retrieved: Ranks, notes: NDArray[np.str_]) -> Accuracy:
    if not len(ranks):
        return Accuracy(0, 0.0, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0))
    return Accuracy(
        mentions=len(ranks),
        acc_at_1=float(np.mean(ranks <= 1)),
        acc_at_5=float(np.mean(ranks <= 5)),
        acc_at_20=float(np.mean(ranks <= 20)),
        recall_at_64=float(np.mean(retrieved <= RECALL_DEPTH)),
        mrr=float(np.mean(1 / ranks)),
        interval=bootstrap_interval(ranks <= 1, notes),
    )


def bootstrap_interval(right: NDArray[np.bool_], notes: NDArray[np.str_]) -> tuple[float, float]:
    """95 % percentile interval of the mean of `right`, resampling notes (seeded, 1,000 resamples)."""
    _, note = np.unique(notes, return_inverse=True)
    sizes = np.bincount(note)
    hits = np.bincount(note, weights=right)
    draws = np.random.default_rng(0).integers(0, len(sizes), size=(RESAMPLES, len(sizes)))
    means = hits[draws].sum(axis=1) / sizes[draws].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error with 15 bins of equal width (Guo et al., 2017, eq. 3)."""
    if not len(confidence):
        return 0.0
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(right[bins == b].mean() - confidence[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(np.sum(gaps))


def coverage(confidence: NDArray[np.float64], right: NDArray[np.bool_], *, precision: float) -> float:
    """Largest share of mentions answered, the surest first, with at least this precision among them.

    Mentions of equal confidence are answered together or not at all.
    """
    order = np.argsort(-confidence, kind="stable")
    precisions = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    whole = np.append(confidence[order][1:] != confidence[order][:-1], True) if len(order) else np.array([], dtype=bool)
    good = np.flatnonzero((precisions >= precision) & whole)
    return float(good[-1] + 1) / len(order) if len(good) else 0.0
