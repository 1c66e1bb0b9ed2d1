"""Comparison of two linkers on the same gold mentions: is a difference in acc@1 more than chance?

Notes are what is drawn, since mentions of one note are not independent. The interval is a 95 % percentile paired
bootstrap (Efron and Tibshirani, 1993): notes are resampled within their corpus, with both linkers' answers. The p-value
is that of approximate randomisation (Noreen, 1989; Yeh, 2000): how often is the difference at least as large when each
note's two results change sides by the toss of a coin? It stays honest where notes are few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from linker.errors import InvalidInput
from linker.predictions import FILE, Prediction, read_predictions

RESAMPLES = 10_000
LEVEL = 0.05
OVERALL = "all corpora"
_EXPECTED = "expected the same corpora, in the same order, with the same gold ids"
_DRAWS_AT_ONCE = 4_000_000

Pairs = Sequence[tuple[Prediction, Prediction]]  # what A and what B answered for the same mention


@dataclass(frozen=True, slots=True)
class Comparison:
    """acc@1 of A and B, in [0, 1]. difference: B less A, with its 95 % interval; p_value: two-sided.

    wins, losses: mentions that only B, only A has right.
    """

    corpus: str
    mentions: int
    notes: int
    a: float
    b: float
    difference: float
    interval: tuple[float, float]
    p_value: float
    wins: int
    losses: int

    @property
    def verdict(self) -> str:
        """One sentence."""
        low, high = self.interval
        if self.p_value < LEVEL and not low <= 0 <= high:
            return "B is better" if self.difference > 0 else "A is better"
        return "no difference that these data can show"

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        return {**asdict(self), "verdict": self.verdict}


def compare(a: Path, b: Path) -> list[Comparison]:
    """Compare the predictions in two folders, corpus by corpus; where there are several, over all of them at the end.

    Mentions without gold take no part. Raises `InvalidInput` where the folders are not about the same mentions.
    """
    pairs = [pair for pair in _aligned(a, b) if pair[0].gold]
    corpora = {name: list(group) for name, group in groupby(pairs, key=lambda pair: pair[0].corpus)}
    if not corpora:
        raise InvalidInput("no mention with gold to compare", field=str(a / FILE))
    comparisons = [_compared(name, [group]) for name, group in corpora.items()]
    return comparisons if len(corpora) == 1 else [*comparisons, _compared(OVERALL, list(corpora.values()))]


def _aligned(a: Path, b: Path) -> list[tuple[Prediction, Prediction]]:
    of_a, of_b = read_predictions(a), read_predictions(b)
    for line, (one, two) in enumerate(zip(of_a, of_b, strict=False), start=1):
        if (one.note, one.mention, one.gold) != (two.note, two.mention, two.gold):
            raise InvalidInput(f"{two.place}, where {a} has {one.place}; {_EXPECTED}", field=f"{b / FILE}:{line}")
    if len(of_a) != len(of_b):
        raise InvalidInput(f"{len(of_b):,} mentions, where {a} has {len(of_a):,}; {_EXPECTED}", field=str(b / FILE))
    return list(zip(of_a, of_b, strict=True))


def _compared(name: str, corpora: Sequence[Pairs]) -> Comparison:
    pairs = [pair for corpus in corpora for pair in corpus]
    a, b = (sum(pair[side].right for pair in pairs) for side in (0, 1))
    notes = [_by_note(corpus) for corpus in corpora]
    return Comparison(
        corpus=name,
        mentions=len(pairs),
        notes=sum(len(sizes) for sizes, _ in notes),
        a=a / len(pairs),
        b=b / len(pairs),
        difference=(b - a) / len(pairs),
        interval=_interval(notes),
        p_value=_p_value(np.concatenate([gains for _, gains in notes])),
        wins=sum(two.right and not one.right for one, two in pairs),
        losses=sum(one.right and not two.right for one, two in pairs),
    )


Notes = tuple[NDArray[np.float64], NDArray[np.float64]]  # mentions, and what B has more right than A: each (notes,)


def _by_note(pairs: Pairs) -> Notes:
    _, note = np.unique([one.note for one, _ in pairs], return_inverse=True)
    gains = [float(two.right) - float(one.right) for one, two in pairs]
    return np.bincount(note).astype(np.float64), np.bincount(note, weights=gains).astype(np.float64)


def _interval(corpora: Sequence[Notes]) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    sizes, gains = np.zeros((2, RESAMPLES))
    for corpus_sizes, corpus_gains in corpora:
        for rows in _chunks(len(corpus_sizes)):
            draws = rng.integers(0, len(corpus_sizes), size=(rows.stop - rows.start, len(corpus_sizes)))
            sizes[rows] += corpus_sizes[draws].sum(axis=1)
            gains[rows] += corpus_gains[draws].sum(axis=1)
    low, high = np.percentile(gains / sizes, [2.5, 97.5])
    return float(low), float(high)


def _p_value(gains: NDArray[np.float64]) -> float:
    """Two-sided; the toss that was seen counts among the tosses. gains: (notes,)."""
    gains = gains[gains != 0]  # a note that changes nothing changes nothing on the other side
    rng = np.random.default_rng(0)
    extreme = 0
    for rows in _chunks(len(gains)):
        signs = rng.integers(0, 2, size=(rows.stop - rows.start, len(gains))) * 2 - 1
        extreme += int((np.abs(signs @ gains) >= abs(gains.sum())).sum())
    return (extreme + 1) / (RESAMPLES + 1)


def _chunks(notes: int) -> list[slice]:
    """Slices of the resamples, so that what is drawn at once fits in memory however many notes there are."""
    step = max(1, _DRAWS_AT_ONCE // max(notes, 1))
    return [slice(start, min(start + step, RESAMPLES)) for start in range(0, RESAMPLES, step)]
