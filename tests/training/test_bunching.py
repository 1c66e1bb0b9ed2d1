"""Bunches hold near rows of one vocabulary, and a batch holds whole bunches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs the extra `train`")
pytest.importorskip("datasets", reason="needs the extra `train`")

from datasets import Dataset

from training.bunching import bunches
from training.recipes import Schedule
from training.trainer import _order


def unit_rows(count: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    rows = np.random.default_rng(seed).normal(size=(count, 16)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(st.lists(st.sampled_from("ABC"), min_size=1, max_size=80), st.integers(2, 9), st.integers(0, 3))
def test_a_bunch_is_of_one_vocabulary_and_only_the_last_of_one_is_not_full(
    vocabularies: list[str], size: int, seed: int
) -> None:
    found = bunches(unit_rows(len(vocabularies), seed), np.array(vocabularies), size, seed=seed)
    of = {(number, vocabulary) for number, vocabulary in zip(found.tolist(), vocabularies, strict=True)}
    assert len(of) == len(set(found.tolist())) == found.max() + 1
    for vocabulary in set(vocabularies):
        sizes = [int((found == number).sum()) for number, name in of if name == vocabulary]
        assert max(sizes) <= size
        assert sum(one < size for one in sizes) <= 1


def test_rows_of_one_meaning_end_up_together() -> None:
    places = unit_rows(32, 1)
    rows = np.repeat(places, 8, axis=0) + unit_rows(256, 2) / 10
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    shuffled = np.random.default_rng(3).permutation(256)
    found = bunches(rows[shuffled].astype(np.float32), np.full(256, "A"), 8, seed=1)
    together = [len(set((shuffled[found == number] // 8).tolist())) for number in range(32)]
    assert np.mean(together) < 2  # of 8 drawn at random, 7 places


def test_identical_rows_are_cut_too() -> None:
    found = bunches(np.ones((20, 4), dtype=np.float32) / 2, np.full(20, "A"), 8, seed=1)
    assert sorted(np.bincount(found).tolist()) == [4, 8, 8]


def test_an_epoch_has_each_row_once_and_each_bunch_in_one_piece() -> None:
    numbers = np.random.default_rng(0).permutation(np.repeat(np.arange(30), 4))
    rows = Dataset.from_dict({"bunch": numbers.tolist()})
    order = _order(rows, Schedule(batch_size=16, epochs=2), 1)
    epochs = order.reshape(2, 120)
    for epoch in epochs:
        assert sorted(epoch.tolist()) == list(range(120))
        assert all(len(set(numbers[four].tolist())) == 1 for four in epoch.reshape(30, 4))
    assert not np.array_equal(*epochs)
