"""A note is read piece by piece: every piece once, at its own place, whatever the windows."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker.detection.windows import Reader, pieces_of
from linker.inference import load_tokenizer
from ontologies.starter import ENCODER


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(ENCODER)


def reader(tokenizer, *, max_length: int = 64, stride: int = 16) -> Reader:
    return Reader(tokenizer, max_length=max_length, stride=stride)


words = st.sampled_from(
    ["asthma", "e\u0301", "\U0001f600", "\r\n", " ", "[**", "**]", "糖尿病", "ß", "x" * 150, ",", "T2DM"]
)
notes = st.lists(words, max_size=200).map("".join) | st.text(max_size=200)


def test_pieces_are_words_and_marks_at_their_own_places() -> None:
    note = "HbA1c\r\n(7,5%)\t\U0001f600 糖尿病; Sjo\u0308gren\x00"
    expected = "HbA1c ( 7 , 5% ) \U0001f600 糖 尿 病 ; Sjo\u0308gren"
    assert [note[b:e] for b, e in pieces_of(note)] == expected.split()


@given(notes)
def test_each_piece_belongs_to_one_window(tokenizer, note: str) -> None:
    windows = list(reader(tokenizer).windows(note))
    own = [window.pieces[place] for window in windows for place in window.own]
    assert own == sorted(set(own))
    assert all(len(window) <= 64 and len(window.first) == len(window.pieces) for window in windows)
    assert all(ids == sorted(ids) and ids[0] == 1 for ids in (window.first for window in windows))
    (whole,) = [*reader(tokenizer, max_length=10**6).windows(note)] or [None]
    assert own == (whole.pieces if whole else [])


def test_a_piece_is_read_with_what_stands_on_both_sides(tokenizer) -> None:
    note = " ".join(f"word{n}" for n in range(500))
    windows = list(reader(tokenizer).windows(note))
    assert len(windows) > 10
    for before, after in pairwise(windows):
        shared = [piece for piece in before.pieces if piece in after.pieces]
        mine = [before.pieces[place] for place in before.own if before.pieces[place] in shared]
        assert len(shared) > 2
        assert mine == shared[: len(mine)]
        assert abs(2 * len(mine) - len(shared)) <= 1
