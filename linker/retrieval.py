"""Retrieval: from mentions to candidate concepts.

Exact hits on the table of normalised names come first, or, where there are none, names that the mention is but for one
letter (`linker.typos`), then the concepts of the nearest names. Names are searched, and filters apply before the
search: what is found does not depend on how many were asked for.

Names are pooled to concepts by a smooth maximum, `log(sum(exp(t * cosine))) / t` over a concept's names among the 256
nearest: a concept with several names near the mention stands before one that has a single name a little nearer.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from linker.errors import BundleMismatch
from linker.index import VectorIndex
from linker.records import TIERS, Candidate, ConceptFilter, Embeddings, MatchSource
from linker.terminology import Terminology

MAX_FETCH = 4096  # names fetched for a mention at most, however many concepts share one name
POOLED = 256  # nearest names whose cosines add up to the support of their concepts
SHARPNESS = 30.0  # t of the smooth maximum; a name that is 0.1 farther than another adds 5 % of what that one does


@dataclass(frozen=True, slots=True)
class _Near:
    """A concept, its name nearest to the mention with its cosine, and what all its near names say together."""

    concept: int
    name: int
    similarity: float
    support: float


def smooth_maximum(cosines: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """What the names of a concept say together: (n, names) -> (n,); never less than the largest."""
    largest = cosines.max(axis=-1, keepdims=True)
    pooled: NDArray[np.float64] = (
        largest[..., 0] + np.log(np.exp(SHARPNESS * (cosines - largest)).sum(axis=-1)) / SHARPNESS
    )
    return pooled


class Retriever:
    """Finds candidates. Immutable after opening and safe to share between threads."""

    def __init__(self, terminology: Terminology, index: VectorIndex, *, workers: int = 1) -> None:
        """Search `index` for the names of `terminology`. Raises `BundleMismatch`."""
        if index.vectors != terminology.name_count:
            raise BundleMismatch(f"the index has {index.vectors} vectors for {terminology.name_count} names")
        self._terminology = terminology
        self._index = index
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="search") if workers > 1 else None
        self._masks: dict[ConceptFilter, NDArray[np.bool_]] = {}

    def retrieve(
        self, names: Sequence[str], embeddings: Embeddings, *, depth: int, wanted: ConceptFilter | None = None
    ) -> list[list[Candidate]]:
        """At most `depth` candidates for each mention, best first, each concept once.

        names: normalised surface forms. embeddings: (n, dimension) float32 unit rows, aligned with `names`.
        """
        mask = self._mask(wanted) if wanted else None
        nearest = self._nearest_concepts(embeddings, depth, mask)
        mentions = zip(names, embeddings, nearest, strict=True)
        return [self._candidates(name, row, near, depth, mask) for name, row, near in mentions]

    def similarities(self, embedding: Embeddings, rows: Sequence[int]) -> NDArray[np.float32]:
        """Cosines, (n,), of a mention's unit row, (dimension,), with the names at n rows, as `retrieve` gives them."""
        return self._index.cosines(embedding, np.array(rows, dtype=np.int64))

    def _candidates(
        self, name: str, embedding: Embeddings, near: list[_Near], depth: int, mask: NDArray[np.bool_] | None
    ) -> list[Candidate]:
        source, rows = self._looked_up(name)
        named = self._concepts_named(rows, mask)[:depth]
        taken = {concept for concept, _ in named}
        dense = [found for found in near if found.concept not in taken][: depth - len(named)]
        # How many other names a concept has near the mention does not say which of its namesakes is meant.
        highest = max([1.0, *(found.support for found in near[:1])])
        cosines = [1.0] * len(named)
        if named and source is not MatchSource.EXACT:
            cosines = self.similarities(embedding, [row for _, row in named]).tolist()
        found = [_Near(concept, row, c, highest) for (concept, row), c in zip(named, cosines, strict=True)]
        return [
            *(self._candidate(concept, source) for concept in found),
            *(self._candidate(concept, MatchSource.DENSE) for concept in dense),
        ]

    def _candidate(self, found: _Near, source: MatchSource) -> Candidate:
        concept, row = found.concept, found.name
        terminology = self._terminology
        return Candidate(
            concept=concept,
            concept_id=terminology.concept_id(concept),
            preferred_name=terminology.preferred_name(concept),
            matched_name=terminology.name(row),
            term_type=terminology.term_type(row),
            source=source,
            similarity=found.similarity,
            support=found.support,
            semantic_types=terminology.semantic_types(concept),
        )

    def _looked_up(self, name: str) -> tuple[MatchSource, list[int]]:
        """Name rows of the exact hits; where there are none, of what the mention is but for a letter."""
        if rows := self._terminology.names_alike(name):
            return MatchSource.EXACT, rows
        return MatchSource.TYPO, self._terminology.names_meant(name)

    def _concepts_named(self, rows: Sequence[int], mask: NDArray[np.bool_] | None) -> list[tuple[int, int]]:
        """(concept, name row) of each concept: preferred names first, then by concept id (rows are in its order)."""
        terminology = self._terminology
        best: dict[int, tuple[int, int]] = {}
        for row in rows:
            if mask is None or mask[row]:
                tier = TIERS.get(terminology.term_type(row), 1)
                concept = int(terminology.concept_of_name[row])
                best[concept] = min(best.get(concept, (tier, row)), (tier, row))
        return [(concept, row) for concept, (tier, row) in sorted(best.items(), key=lambda item: (item[1][0], item[0]))]

    def _nearest_concepts(
        self, embeddings: Embeddings, depth: int, mask: NDArray[np.bool_] | None
    ) -> list[list[_Near]]:
        """Best supported first, ties by concept id; at least `depth` if there are so many."""
        total = min(self._index.most, self._index.vectors if mask is None else int(mask.sum()))
        results: list[list[_Near]] = [[] for _ in embeddings]
        open_rows = list(range(len(embeddings))) if total else []
        fetch = min(max(4 * depth, POOLED + 1), total)
        while open_rows:
            similarities, rows = self._search(embeddings[open_rows], fetch, mask)
            unfinished = []
            for position, mention in enumerate(open_rows):
                results[mention], clear = self._pool_to_concepts(similarities[position], rows[position])
                # Only what is above the last name fetched is certain to be complete and in its place.
                if clear < depth and fetch < min(total, MAX_FETCH):
                    unfinished.append(mention)
            open_rows, fetch = unfinished, min(4 * fetch, total, MAX_FETCH)
        return results

    def _pool_to_concepts(self, similarities: NDArray[np.float32], rows: NDArray[np.int64]) -> tuple[list[_Near], int]:
        """Each concept under its nearest name, and how many are certain to be complete and in their place."""
        kept = rows >= 0
        rows, similarities = rows[kept], similarities[kept]
        if not len(rows):
            return [], 0
        concepts, first = np.unique(self._terminology.concept_of_name[rows], return_index=True)
        support = similarities[first].astype(np.float64)
        # Names as near as the first beyond the pool are left out with it: which of equals was fetched is chance.
        pooled = int((similarities > similarities[POOLED]).sum()) if len(rows) > POOLED else len(rows)
        of_concept = np.searchsorted(concepts, self._terminology.concept_of_name[rows[:pooled]])
        weights = np.exp(SHARPNESS * similarities[:pooled].astype(np.float64))
        mass = np.bincount(of_concept, weights=weights, minlength=len(concepts))
        supported = mass > 0
        support[supported] = np.log(mass[supported]) / SHARPNESS
        order = np.lexsort((concepts, -support, ~supported))
        clear = max(int((similarities[first] > similarities[-1]).sum()), int(supported.sum()))
        found = zip(concepts, rows[first], similarities[first], support, strict=True)
        near = [_Near(int(c), int(name), float(cosine), float(s)) for c, name, cosine, s in found]
        return [near[row] for row in order], clear

    def _search(
        self, embeddings: Embeddings, fetch: int, mask: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Similarities and name rows of the `fetch` nearest names, each (n, fetch); -1 rows where there are fewer."""
        if self._pool is None or len(embeddings) == 1:
            return self._index.search(embeddings, fetch, mask)
        slices = [part for part in np.array_split(embeddings, self._workers) if len(part)]
        parts = list(self._pool.map(lambda part: self._index.search(part, fetch, mask), slices))
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def _mask(self, wanted: ConceptFilter) -> NDArray[np.bool_]:
        mask = self._masks.get(wanted)
        if mask is None:
            mask = self._terminology.name_mask(wanted)
            if len(self._masks) >= 64:  # a handful of filters serve a whole service; callers must not grow memory
                self._masks.clear()
            self._masks[wanted] = mask
        return mask
