"""Embeddings to a vector index: of the kind that the number of names asks for, and with a recall no worse than a floor.

Recall is measured on the names that are indexed, written in another way as mentions are (`linker.perturbation`): of the
names that an exact scan finds nearest, the part that the index finds. Names are sampled with a seed, so that the same
names give the same index and the same figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from linker.console import progress, stderr
from linker.index import (
    PROPOSALS,
    PROPOSED,
    VECTORS,
    VectorIndex,
    kind_for,
    lists_for,
    write_proposals,
    write_vectors,
)
from linker.manifest import IndexEntry, IndexKind
from linker.perturbation import PERTURBATIONS, perturb
from linker.records import Embeddings
from linker.surface import normalise
from ontologies.embedding import EmbeddedNames
from ontologies.errors import BuildError

RECALL_FLOOR = 0.99
DEPTH = 64  # nearest names that recall is measured over
MENTIONS = 500
SAMPLE = 65_536  # names that the centres are learnt from, or as many a list as below where that is more
SAMPLE_A_LIST = 64
LEAST = 16  # names that a code of four bits can be learnt from
PROBED = 1 / 64  # of the lists, at first


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """kind: None for the one that the number of names asks for. recall_floor: an index with less is refused."""

    kind: IndexKind | None = None
    recall_floor: float = RECALL_FLOOR


def write_index(
    folder: Path, embedded: EmbeddedNames, of_name: NDArray[np.int32], *, kind: IndexKind | None, encoder_digest: str
) -> IndexEntry:
    """Write one row a name into `folder`, and codes of them where the kind of index has them.

    of_name: which of the embedded names each name is. Raises `BuildError`, OSError, or RuntimeError on a full disk.
    """
    kind = kind or kind_for(len(of_name))
    vectors, dimension, scale = len(of_name), embedded.dimension, embedded.scale
    write_vectors(folder / VECTORS, embedded.rows(of_name), vectors=vectors, dimension=dimension, scale=scale)
    if kind is not IndexKind.EXACT:
        if embedded.names < LEAST:
            raise BuildError(f"index {kind}: expected at least {LEAST} different names, found {embedded.names}")
        lists = lists_for(kind, vectors)
        with progress(f"Indexing names ({kind})", vectors, "names") as advance:
            blocks = _counted(embedded.rows(of_name), advance)
            write_proposals(folder / PROPOSALS, blocks, sample=_sample(embedded, lists), lists=lists)
    return IndexEntry(kind, encoder_digest, dimension, vectors, scale)


def _counted(blocks: Iterator[Embeddings], advance: Callable[[int], object]) -> Iterator[Embeddings]:
    for block in blocks:
        yield block
        advance(len(block))


def _sample(embedded: EmbeddedNames, lists: int) -> Embeddings:
    size = min(embedded.names, max(SAMPLE, SAMPLE_A_LIST * lists))
    rows = np.random.default_rng(0).choice(embedded.names, size, replace=False, shuffle=False)
    return np.concatenate(list(embedded.rows(np.sort(rows))))


def mentions_of(names: pa.ChunkedArray) -> list[str]:
    """Some of the names, each written in another way if there is one, normalised."""
    random = Random(0)  # noqa: S311 - not for secrets
    rows = random.sample(range(len(names)), min(MENTIONS, len(names)))
    return [normalise(_otherwise(name, random)) for name in names.take(rows).to_pylist()]


def _otherwise(name: str, random: Random) -> str:
    ways = random.sample(list(PERTURBATIONS), len(PERTURBATIONS))
    return next(filter(None, (perturb(way, name, 0) for way in ways)), name)


def measured(folder: Path, entry: IndexEntry, mentions: Embeddings, *, recall_floor: float, workers: int) -> IndexEntry:
    """The index in `folder` with its recall, searched with as little effort as reaches the floor.

    Effort is how many rows are proposed or, where there are lists, how many of them are probed. Raises `BuildError` if
    none reaches it.
    """
    index = VectorIndex(folder, entry)
    with ThreadPoolExecutor(workers) as pool:
        parts = np.array_split(mentions, workers)
        depth = min(DEPTH, index.vectors)
        exact = np.concatenate(list(pool.map(lambda part: index.scan(part, depth)[0], parts)))
        for tried in _efforts(entry):
            found = VectorIndex(folder, tried).search(mentions, depth)[0]
            # By cosine: of names that are as near as the last of them, any will do.
            recall = float((found >= exact[:, -1:]).mean())
            if recall >= recall_floor:
                break
    stderr.print(f"index {entry.kind}: recall@{depth} {recall:.4f} of an exact scan's, for {len(mentions)} mentions")
    if recall < recall_floor:
        raise BuildError(
            f"index {entry.kind}: recall@{depth} is {recall:.4f}, below the floor of {recall_floor}; build with "
            f"--index {IndexKind.EXACT}, or with a lower --recall-floor"
        )
    return replace(tried, recall=recall)


def _efforts(entry: IndexEntry) -> Iterator[IndexEntry]:
    """The same index, searched with more and more effort."""
    lists = lists_for(entry.kind, entry.vectors)
    for proposed in _growing(max(DEPTH, PROPOSED // 2), PROPOSED, 2.0):
        for probes in _growing(max(1, int(lists * PROBED)), lists, 1.25):
            yield replace(entry, probes=probes, proposed=proposed)


def _growing(first: int, last: int, factor: float) -> Iterator[int]:
    while first < last:
        yield first
        first = max(first + 1, round(first * factor))
    yield last
