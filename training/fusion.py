"""Fusion: what a reranker's score weighs beside retrieval's support, chosen on dev."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.lists import CandidateList

WEIGHTS = (0.0, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Scored:
    """The dev lists of one corpus with their scores: n lists of at most k candidates, n to m mentions.

    supports, scores: (n, k), -inf and 0 beyond a list's end; right: (n, k) bool. certain: (n,) bool, as in
    `CandidateList`. mention: (n,), the number of the mention, 0 to m - 1, that a list is part of.
    """

    supports: NDArray[np.float64]
    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    certain: NDArray[np.bool_]
    mention: NDArray[np.int64]

    def accuracy(self, *, weight: float) -> float:
        """acc@1 of the order that the policy of this weight gives; ties count at their worst.

        A composite mention is right when every part is.
        """
        if not len(self.mention):
            return 0.0
        fused = self.supports + np.where(self.certain[:, None], 0.0, weight * self.scores)
        first = fused == fused.max(axis=1, keepdims=True)
        # A unique exact hit is first, whatever else is as near.
        first[self.certain, 1:] = False
        hits = (first & np.isfinite(fused) & self.right).any(axis=1) & (self.right | ~first).all(axis=1)
        right = np.ones(self.mention.max() + 1, dtype=np.bool_)
        np.logical_and.at(right, self.mention, hits)
        return float(right.mean())


def scored(lists: Sequence[CandidateList], scores: Sequence[NDArray[np.float64]]) -> Scored:
    """Dev lists and the scores of the candidates of each (none for a list that is certain) as one table."""
    width = max((len(made.candidates) for made in lists), default=0) or 1
    supports = np.full((len(lists), width), -np.inf)
    table = np.zeros((len(lists), width))
    right = np.zeros((len(lists), width), dtype=np.bool_)
    for row, (made, given) in enumerate(zip(lists, scores, strict=True)):
        supports[row, : len(made.supports)] = made.supports
        right[row, : len(made.right)] = made.right
        table[row, : len(given)] = given
    _, mention = np.unique([made.group for made in lists], return_inverse=True)
    return Scored(
        supports,
        table,
        right,
        np.array([made.certain for made in lists], dtype=np.bool_),
        mention,
    )


def fit_weight(corpora: Sequence[Scored]) -> float:
    """The weight with the best mean acc@1, among those with which no corpus falls below retrieval; the least of equals.

    A weight of 0 is retrieval: it is what remains where the score helps nowhere.
    """
    retrieval = [corpus.accuracy(weight=0.0) for corpus in corpora]

    def worth(weight: float) -> float:
        reached = [corpus.accuracy(weight=weight) for corpus in corpora]
        return float(np.mean(reached)) if all(map(float.__ge__, reached, retrieval)) else -1.0

    return max(WEIGHTS, key=worth)
