"""What every kind of index finds: rows in the order of their exact cosines, whatever else is asked at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker.errors import BundleCorrupt, BundleMismatch
from linker.index import (
    EXACT_UP_TO,
    PQ_UP_TO,
    PROPOSALS,
    PROPOSED,
    VECTORS,
    VectorIndex,
    index_scale,
    kind_for,
    lists_for,
    write_proposals,
    write_vectors,
)
from linker.manifest import IndexEntry, IndexKind

DIMENSION = 32
ROWS = 2 * PROPOSED
KINDS = list(IndexKind)


def unit_rows(count: int, *, seed: int, dimension: int = DIMENSION) -> np.ndarray:
    """Rows around 64 centres, some of them twice."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(64, dimension))
    rows = centres[random.integers(64, size=count)] + 0.7 * random.normal(size=(count, dimension))
    rows[count // 2 : count // 2 + count // 16] = rows[: count // 16]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def write(folder: Path, rows: np.ndarray, kind: IndexKind, **entry) -> IndexEntry:
    vectors, dimension = rows.shape
    blocks = np.array_split(rows, 3)
    write_vectors(folder / VECTORS, blocks, vectors=vectors, dimension=dimension, scale=index_scale(dimension))
    if kind is not IndexKind.EXACT:
        write_proposals(folder / PROPOSALS, blocks, sample=rows[::2], lists=lists_for(kind, vectors))
    return IndexEntry(kind, "", dimension, vectors, index_scale(dimension), **entry)


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return unit_rows(ROWS, seed=1)


@pytest.fixture(scope="module")
def indexes(tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray) -> dict[IndexKind, VectorIndex]:
    made = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        made[kind] = VectorIndex(folder, write(folder, rows, kind, probes=16, proposed=PROPOSED))
    return made


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_what_is_found_depends_on_nothing_but_the_mention(
    indexes: dict[IndexKind, VectorIndex], kind: IndexKind, data: st.DataObject
) -> None:
    index = indexes[kind]
    queries = unit_rows(data.draw(st.integers(1, 70)), seed=data.draw(st.integers(2, 99)))
    fetch = data.draw(st.integers(1, 600))
    seed = data.draw(st.none() | st.integers(0, 99))
    mask = None if seed is None else np.random.default_rng(seed).random(ROWS) < data.draw(st.sampled_from([0.01, 0.9]))
    cosines, found = index.search(queries, fetch, mask)
    place = data.draw(st.integers(0, len(queries) - 1))
    alone = index.search(queries[place : place + 1], fetch, mask)
    assert np.array_equal(alone[0][0], cosines[place])
    assert np.array_equal(alone[1][0], found[place])
    more = index.search(queries[place : place + 1], 1200, mask)
    certain = cosines[place] > cosines[place, -1]
    assert np.array_equal(more[0][0, :fetch], cosines[place])
    assert np.array_equal(more[1][0, :fetch][certain], found[place][certain])
    with ThreadPoolExecutor(3) as pool:
        for other in pool.map(lambda _: index.search(queries, fetch, mask), range(3)):
            assert np.array_equal(other[1], found)


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(0, 99), st.sampled_from([0.0, 0.001, 0.05, 0.4, 1.0]))
def test_a_filter_applies_before_the_search(
    indexes: dict[IndexKind, VectorIndex], kind: IndexKind, seed: int, part: float
) -> None:
    mask = np.random.default_rng(seed).random(ROWS) < part
    fetch = min(300, int(mask.sum()))
    index, queries = indexes[kind], unit_rows(20, seed=seed)
    cosines, found = index.search(queries, 300, mask)
    assert (found[:, :fetch] >= 0).all()
    assert (found[:, fetch:] == -1).all()
    assert mask[found[:, :fetch]].all()
    exact = index.scan(queries, 300, mask)[0]
    if mask.sum() <= PROPOSED:
        assert np.array_equal(cosines, exact)
    else:
        assert (cosines >= exact[:, -1:]).mean() > 0.97


@pytest.mark.parametrize("kind", KINDS)
def test_cosines_are_the_exact_ones_best_first(
    indexes: dict[IndexKind, VectorIndex], kind: IndexKind, rows: np.ndarray
) -> None:
    index, queries = indexes[kind], unit_rows(50, seed=7)
    cosines, found = index.search(queries, 100)
    assert (np.diff(cosines, axis=1) <= 0).all()
    assert (np.diff(found, axis=1)[np.diff(cosines, axis=1) == 0] > 0).all()
    assert all(len(set(row)) == 100 for row in found.tolist())
    for place, query in enumerate(queries):
        assert np.allclose(index.cosines(query, found[place]), cosines[place], atol=1e-6)
    assert np.abs(cosines - np.einsum("qd,qkd->qk", queries, rows[found])).max() < 0.02
    best = index.scan(queries, 100)[0]
    assert (cosines >= best[:, -1:]).mean() > 0.9
    assert index.most == (ROWS if kind is IndexKind.EXACT else PROPOSED)


def test_probing_every_list_finds_as_much_as_probing_none_apart(tmp_path: Path, rows: np.ndarray) -> None:
    queries = unit_rows(50, seed=8)
    entry = write(tmp_path, rows, IndexKind.IVF, proposed=PROPOSED)
    best = VectorIndex(tmp_path, entry).scan(queries, 64)[0]
    opened = [VectorIndex(tmp_path, replace(entry, probes=probes)) for probes in (1, 8, 64)]
    recall = [float((index.search(queries, 64)[0] >= best[:, -1:]).mean()) for index in opened]
    assert recall[0] < recall[1] <= recall[2]
    assert recall[2] > 0.99


def test_the_file_is_the_one_that_faiss_writes(tmp_path: Path, rows: np.ndarray) -> None:
    """Rows are written as they come; other tools can open the file."""
    write(tmp_path, rows, IndexKind.EXACT)
    index = faiss.IndexScalarQuantizer(
        DIMENSION, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
    )
    index.add(np.clip(np.rint(rows * np.float32(index_scale(DIMENSION))), -127, 127))
    faiss.write_index(index, str(tmp_path / "whole"))
    assert (tmp_path / VECTORS).read_bytes() == (tmp_path / "whole").read_bytes()


def test_the_same_rows_give_the_same_files(tmp_path: Path, rows: np.ndarray) -> None:
    for kind in (IndexKind.PQ, IndexKind.IVF):
        for name in ("a", "b"):
            (tmp_path / name).mkdir(exist_ok=True)
            write(tmp_path / name, rows, kind)
        assert (tmp_path / "a" / PROPOSALS).read_bytes() == (tmp_path / "b" / PROPOSALS).read_bytes()


def test_the_stored_vectors_are_near_the_exact_ones(tmp_path: Path) -> None:
    """Signed bytes keep a similarity to within 0.007, and the nearest neighbour of 99 % of random queries."""
    random = np.random.default_rng(0)
    rows, noise = (random.normal(size=(n, 384)).astype(np.float32) for n in (2000, 200))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries = rows[:200] + 0.1 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    cosines, found = VectorIndex(tmp_path, write(tmp_path, rows, IndexKind.EXACT)).search(queries, 5)
    exact = queries @ rows.T
    assert (found[:, 0] == exact.argmax(axis=1)).mean() >= 0.99
    assert np.abs(cosines - np.take_along_axis(exact, found, axis=1)).max() < 0.007


@pytest.mark.parametrize("name", [VECTORS, PROPOSALS])
def test_files_that_are_no_index_are_refused(tmp_path: Path, rows: np.ndarray, name: str) -> None:
    entry = write(tmp_path, rows, IndexKind.PQ)
    for content in (b"nonsense", b"", (tmp_path / name).read_bytes()[:-100]):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BundleCorrupt, match=name):
            VectorIndex(tmp_path, entry)
    (tmp_path / name).unlink()
    with pytest.raises(BundleCorrupt, match=name):
        VectorIndex(tmp_path, entry)


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, rows: np.ndarray) -> None:
    entry = write(tmp_path, rows, IndexKind.PQ)
    write(tmp_path, rows[:100], IndexKind.EXACT)
    with pytest.raises(BundleMismatch, match=f"{ROWS} vectors"):
        VectorIndex(tmp_path, entry)


def test_the_number_of_names_says_which_kind() -> None:
    numbers = [0, 1, EXACT_UP_TO, EXACT_UP_TO + 1, PQ_UP_TO, PQ_UP_TO + 1, 16_000_000]
    exact, pq, ivf = KINDS
    assert [kind_for(names) for names in numbers] == [exact, exact, exact, pq, pq, ivf, ivf]
    assert [lists_for(ivf, names) for names in (1, 16, 4_000_000, 16_000_000)] == [1, 1, 512, 1024]
    assert lists_for(pq, 4_000_000) == 1
