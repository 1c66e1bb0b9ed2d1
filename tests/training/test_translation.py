"""Words translated by what they stand beside."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from training.translation import translations

PAIRS = [
    ("dolor renal", "kidney pain"),
    ("dolor de cabeza", "head pain"),
    ("dolor", "pain"),
    ("fallo renal", "kidney failure"),
    ("tumor de cabeza", "head tumor"),
]


def test_each_word_is_translated_by_the_word_that_comes_where_it_comes() -> None:
    found = translations((one.split(), other.split()) for one, other in PAIRS)
    best = {word: max(shares, key=shares.__getitem__) for word, shares in found.items()}
    expected = {"dolor": "pain", "renal": "kidney", "cabeza": "head", "fallo": "failure", "tumor": "tumor"}
    assert expected.items() <= best.items()


words = st.lists(st.sampled_from("abcdef"), max_size=4)


@given(st.lists(st.tuples(words, words), max_size=12))
def test_shares_are_probabilities_of_words_that_stood_beside_one_another(
    pairs: list[tuple[list[str], list[str]]],
) -> None:
    for word, shares in translations(pairs, least=0.05).items():
        assert sum(shares.values()) <= 1 + 1e-9
        assert min(shares.values()) >= 0.05
        assert all(any(word in one and other in two for one, two in pairs) for other in shares)
