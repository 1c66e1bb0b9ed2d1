"""Rows in bunches of near names, so that a batch holds what is hard to tell apart.

In a batch drawn at random of hundreds of thousands of names hardly two are near, and a contrastive loss has nothing
left to learn from them. A batch put together from bunches has hard negatives without a name more to encode (batches
chosen for their global hardness: Sachidananda et al. 2023, arXiv:2210.12874). A bunch is of one vocabulary: two of its
concepts are two on purpose, where two vocabularies may have one meaning that no crosswalk joins.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from linker.records import Embeddings

_ROUNDS = 4  # of two means, before a half is cut off

Rows = NDArray[np.int64]


def bunches(vectors: Embeddings, vocabularies: NDArray[np.str_], size: int, *, seed: int) -> Rows:
    """The number of a bunch for each row, (n,): `size` rows each, as many as are left over in the last of a vocabulary.

    vectors: (n, dimension) float32 unit rows. vocabularies: (n,).
    """
    random = np.random.default_rng(seed)
    numbers = np.empty(len(vectors), dtype=np.int64)
    made = 0
    for vocabulary in np.unique(vocabularies):
        for rows in _halved(vectors, np.flatnonzero(vocabularies == vocabulary), size, random):
            numbers[rows] = made
            made += 1
    return numbers


def _halved(vectors: Embeddings, rows: Rows, size: int, random: np.random.Generator) -> Iterator[Rows]:
    """`rows` cut in two again and again, between the means of the halves, until none has more than `size`."""
    waiting = [rows]
    while waiting:
        rows = waiting.pop()
        if len(rows) <= size:
            yield rows
            continue
        here = vectors[rows]
        half = -(-len(rows) // (2 * size)) * size  # whole bunches, so that one alone is not full
        ends = here[random.choice(len(rows), 2, replace=False)]
        for _ in range(_ROUNDS):
            order = np.argsort(here @ (ends[0] - ends[1]), kind="stable")
            ends = np.stack([here[order[half:]].mean(axis=0), here[order[:half]].mean(axis=0)])
        waiting += [rows[order[half:]], rows[order[:half]]]
