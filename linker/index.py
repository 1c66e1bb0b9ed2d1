"""The vector index: the names whose embeddings are nearest to a mention's. The one home of FAISS.

A bundle has one row a name, signed bytes at one scale for all rows (FAISS `QT_8bit_direct_signed`); a query is taken to
bytes at a scale of its own. Their products are whole numbers, exact in what they add up: whatever the kind of index,
the order of what it finds is theirs.

exact: every row is multiplied with the query. The fastest exhaustive scan there is here, and linear in the names.
pq: every row is first estimated from a code of four bits for each four dimensions, and the `proposed` best by that are
multiplied. Product quantisation, Jégou et al. 2011; its scan within registers, André et al. 2015, arXiv:1812.09162.
ivf: as pq, but of the lists that rows are divided into by their nearest centre, only the `probes` nearest are scanned.
Under a filter all of them are: the names it lets through may all be far away.

How many rows are proposed does not depend on how many are asked for, and queries are searched in blocks too small for
FAISS to take to matrix products: what is found depends on neither depth nor batch nor thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log2, sqrt
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from linker.errors import BundleCorrupt, BundleMismatch
from linker.manifest import IndexEntry, IndexKind
from linker.records import Embeddings

VECTORS = "index.faiss"
PROPOSALS = "proposals.faiss"  # of an index that is not exact
# Rows multiplied of those estimated, or half of them where they are enough: a thousand cost 0.6 ms. Of 782,336 names
# 1,024 find 99.4 % of the nearest 64, 2,048 find 99.8 %.
PROPOSED = 2048
EXACT_UP_TO = 300_000  # names; a query costs 6 ms there
PQ_UP_TO = 700_000  # names; a query alone costs 3 ms there, and with lists two thirds of that
_SUBSPACE = 4  # dimensions that share a code
_BLOCK = 16  # queries; from 20 on FAISS multiplies them as a matrix, with other roundings


def kind_for(names: int) -> IndexKind:
    """The kind of index that so many names ask for."""
    if names <= EXACT_UP_TO:
        return IndexKind.EXACT
    return IndexKind.PQ if names <= PQ_UP_TO else IndexKind.IVF


def lists_for(kind: IndexKind, names: int) -> int:
    """How many lists the names are divided into: a quarter of their square root, a power of two; 256 of a million."""
    return 1 << max(0, round(log2(max(names, 1)) / 2) - 2) if kind is IndexKind.IVF else 1


def index_scale(dimension: int) -> float:
    """What unit rows are multiplied with: the same for every index, so that an update can take rows over as they are.

    What is larger than 12 times the root mean square of the components, 1/sqrt(dimension), is cut to that.
    """
    return 127.0 * max(1.0, sqrt(dimension) / 12.0)


def write_vectors(path: Path, blocks: Iterable[Embeddings], *, vectors: int, dimension: int, scale: float) -> None:
    """Write blocks of unit rows, (n, dimension) float32 and `vectors` in all, as they come. Raises OSError."""
    empty = faiss.IndexScalarQuantizer(
        dimension, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
    )
    # FAISS writes an index only from memory. Its file is this header, with the number of rows at 8, and the rows.
    header = faiss.serialize_index(empty).tobytes()
    counts = [count.to_bytes(8, "little") for count in (vectors, vectors * dimension)]
    with path.open("wb") as file:
        file.write(header[:8] + counts[0] + header[16:-8] + counts[1])
        for embeddings in blocks:
            file.write(empty.sa_encode(np.clip(np.rint(embeddings * np.float32(scale)), -127, 127)).tobytes())


def write_proposals(path: Path, blocks: Iterable[Embeddings], *, sample: Embeddings, lists: int) -> None:
    """Write the codes of blocks of unit rows, (n, dimension) float32, whose centres are learnt from a sample of them.

    Raises RuntimeError on a full disk, for a sample of fewer than 16 rows, or a dimension that is no multiple of 4.
    """
    faiss.omp_set_num_threads(1)  # so that the number of threads does not decide what is learnt
    dimension = sample.shape[1]
    index: Any = faiss.index_factory(
        dimension, f"IVF{lists},PQ{dimension // _SUBSPACE}x4fs", faiss.METRIC_INNER_PRODUCT
    )
    index.cp.min_points_per_centroid = index.pq.cp.min_points_per_centroid = 1  # few names are no cause for a warning
    index.train(sample)
    for embeddings in blocks:
        index.add(embeddings)
    faiss.write_index(index, str(path))


def _scaled(embeddings: Embeddings) -> tuple[Embeddings, Embeddings]:
    """Queries as whole numbers of a signed byte, (n, dimension), and the scale of each, (n, 1)."""
    scales = np.float32(127.0) / np.maximum(np.abs(embeddings).max(axis=1, keepdims=True), np.float32(1e-6))
    return np.rint(embeddings * scales), scales


class VectorIndex:
    """Finds the nearest rows. Memory-mapped, immutable after opening and safe to share between threads.

    vectors: how many rows there are. most: how many of them a search can find.
    """

    def __init__(self, folder: Path, entry: IndexEntry) -> None:
        """Map the files in `folder`. Raises `BundleCorrupt`, `BundleMismatch`.

        entry: scale is what the rows were multiplied with, probes the lists that are scanned where there is no filter,
        proposed the rows that are multiplied of those estimated.
        """
        self._vectors = _map(folder / VECTORS)
        self._refined = None
        self._scale = np.float32(entry.scale)
        self._probes = self._lists = entry.probes
        self._proposed = entry.proposed
        self.vectors: int = self._vectors.ntotal
        self.most = self.vectors
        if entry.kind is not IndexKind.EXACT:
            proposals: Any = _map(folder / PROPOSALS)
            if proposals.ntotal != self.vectors:
                message = f"{folder / PROPOSALS}: {proposals.ntotal} vectors, and {VECTORS} has {self.vectors}"
                raise BundleMismatch(message)
            self._refined = faiss.IndexRefine(proposals, self._vectors)
            self._lists = proposals.nlist
            self.most = min(self._proposed, self.vectors)

    def search(
        self, embeddings: Embeddings, fetch: int, mask: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Cosines and rows of the `fetch` nearest, `most` at most, each (n, fetch), best first; -1 where no row is.

        Equals come by row, but which of those as near as the last are found is chance.
        mask: (vectors,), the rows to be searched.
        """
        if self._refined is None:
            return self.scan(embeddings, fetch, mask)
        probing = faiss.SearchParametersIVF(  # type: ignore[call-arg]  # SWIG takes it
            sel=_selector(mask), nprobe=self._probes if mask is None else self._lists
        )
        parameters = faiss.IndexRefineSearchParameters(  # type: ignore[call-arg]
            k_factor=1.0, base_index_params=probing
        )
        return self._nearest(self._refined, embeddings, self._proposed, parameters, fetch)

    def scan(
        self, embeddings: Embeddings, fetch: int, mask: NDArray[np.bool_] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """As `search`, exact whatever the kind."""
        parameters = faiss.SearchParameters(sel=_selector(mask))  # type: ignore[call-arg]
        return self._nearest(self._vectors, embeddings, fetch, parameters, fetch)

    def cosines(self, embedding: Embeddings, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Cosines, (n,), of a unit row, (dimension,), with n rows, as a search gives them."""
        query, scale = _scaled(embedding[None])
        return self._cosines(self._vectors.reconstruct_batch(rows) @ query[0], scale[0])

    def embeddings(self, rows: Sequence[int]) -> Embeddings:
        """What n rows hold, (n, dimension) float32: unit rows but for their rounding to bytes."""
        embeddings: Embeddings = self._vectors.reconstruct_batch(np.array(rows, dtype=np.int64)) / self._scale
        return embeddings

    def _nearest(
        self, index: faiss.Index, embeddings: Embeddings, found: int, parameters: faiss.SearchParameters, fetch: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        faiss.omp_set_num_threads(1)  # holds for the calling thread; FAISS's own pool would fight with ours
        queries, scales = _scaled(embeddings)
        products = np.empty((len(queries), fetch), dtype=np.float32)
        rows = np.empty((len(queries), fetch), dtype=np.int64)
        for begin in range(0, len(queries), _BLOCK):
            block = slice(begin, begin + _BLOCK)
            near = index.search(queries[block], found, params=parameters)
            products[block], rows[block] = (part[:, :fetch] for part in near)
        order = np.lexsort((rows, -products))
        return self._cosines(np.take_along_axis(products, order, 1), scales), np.take_along_axis(rows, order, 1)

    def _cosines(self, products: NDArray[np.float32], scales: NDArray[np.float32]) -> NDArray[np.float32]:
        cosines: NDArray[np.float32] = np.clip(products / (self._scale * scales), -1.0, 1.0)
        return cosines


def _map(path: Path) -> faiss.Index:
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise BundleCorrupt(f"{path}: expected a FAISS index") from error


def _selector(mask: NDArray[np.bool_] | None) -> faiss.IDSelector | None:
    if mask is None:
        return None
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))  # type: ignore[call-arg, arg-type]
