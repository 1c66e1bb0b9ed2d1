"""Mined negatives against a search by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

from training.errors import TrainingError
from training.mining import Mining, mine
from training.pairs import Names


@pytest.fixture
def names() -> Names:
    random = np.random.default_rng(0)
    concepts = random.integers(0, 12, size=60).tolist()
    return Names([str(number) for number in range(60)], concepts, [concept // 2 for concept in concepts])


@pytest.fixture
def embeddings(names: Names) -> np.ndarray:
    vectors = np.random.default_rng(1).normal(size=(len(names), 6)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def rows(names: Names) -> np.ndarray:
    pairs = [(a, b) for a in range(60) for b in range(a) if names.concepts[a] == names.concepts[b]]
    return np.array(pairs, dtype=np.int32)


def test_negatives_are_the_nearest_names_of_other_groups(
    names: Names, embeddings: np.ndarray, rows: np.ndarray
) -> None:
    mined = mine(names, rows, embeddings, Mining(negatives=3))
    np.testing.assert_array_equal(mined.rows[:, :2], rows)
    for anchor, _, *negatives in mined.rows:
        others = [n for n in range(60) if names.groups[n] != names.groups[anchor]]
        assert negatives == sorted(others, key=lambda n: -embeddings[anchor] @ embeddings[n])[:3]


def test_confused_pairs_are_those_with_a_negative_nearer_than_the_positive(
    names: Names, embeddings: np.ndarray, rows: np.ndarray
) -> None:
    everything = mine(names, rows, embeddings, Mining(negatives=1))
    cosines = embeddings @ embeddings.T
    confused = [row for row in everything.rows if cosines[row[0], row[2]] > cosines[row[0], row[1]]]
    only = mine(names, rows, embeddings, Mining(negatives=1, confused_only=True))
    np.testing.assert_array_equal(only.rows, confused)
    assert only.confused == everything.confused == len(confused) / len(rows)
    assert 0 < len(confused) < len(rows)


def test_the_nearest_positive_of_every_name_that_has_one(
    names: Names, embeddings: np.ndarray, rows: np.ndarray
) -> None:
    mined = mine(names, rows[:1], embeddings, Mining(negatives=1, nearest_positive=True))
    for anchor, positive, _ in mined.rows:
        own = [n for n in range(60) if names.groups[n] == names.groups[anchor] and n != anchor]
        assert positive == max(own, key=lambda n: embeddings[anchor] @ embeddings[n])
    assert mined.rows[:, 0].tolist() == [n for n in range(60) if names.groups.count(names.groups[n]) > 1]


def test_the_ceiling_leaves_out_what_is_too_near(names: Names, embeddings: np.ndarray, rows: np.ndarray) -> None:
    mined = mine(names, rows, embeddings, Mining(negatives=1, ceiling=0.6))
    assert (np.einsum("nd,nd->n", embeddings[mined.rows[:, 0]], embeddings[mined.rows[:, 2]]) <= 0.6).all()


def test_too_few_other_names_say_so(embeddings: np.ndarray, rows: np.ndarray) -> None:
    alone = Names([str(number) for number in range(60)], [0] * 60, [0] * 60)
    with pytest.raises(TrainingError, match="lower mining.negatives"):
        mine(alone, rows, embeddings, Mining(negatives=1))
