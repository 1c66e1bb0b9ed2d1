"""Spellings without accents: where they differ, what they keep apart, and that they are normalised."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from linker.accents import unaccented
from linker.surface import normalise

texts = st.text() | st.text(alphabet="aeinouzáéíñöüÄÖÜåøßœæçıİαάйガn\u0303\u0301\u0308 ")


@given(texts)
@example("Ǽ")
def test_they_are_normalised_and_others(text: str) -> None:
    name = normalise(text)
    found = unaccented(name)
    assert name not in found
    assert len(set(found)) == len(found)
    assert all(normalise(spelling) == spelling for spelling in found)


@given(texts)
def test_they_have_no_others_but_of_letters_that_keep_theirs(text: str) -> None:
    for spelling in unaccented(normalise(text)):
        assert unaccented(spelling) == ()


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_without_accents_there_are_none(text: str) -> None:
    assert unaccented(normalise(text)) == ()


@pytest.mark.parametrize(
    ("written", "left_out"),
    [
        ("Infección", "infeccion"),
        ("Sjögren", "Sjogren"),
        ("Sjögren", "Sjoegren"),
        ("Hämatom", "Haematom"),
        ("Ödem", "Oedem"),
        ("Größe", "Grösse"),
        ("Grösse", "Groesse"),
        ("Ménière", "MENIERE"),
        ("kırık", "KIRIK"),
        ("Ångström", "Aangstroem"),
        ("καρδιά", "ΚΑΡΔΙΑ"),
    ],
)
def test_a_name_is_found_without_its_accents(written: str, left_out: str) -> None:
    name = normalise(written)
    assert normalise(left_out) in {name, *unaccented(name)}


@pytest.mark.parametrize("name", ["ñ", "año", "й", "が", "हिन्दी", "שָׁלוֹם"])
def test_letters_of_their_own_keep_their_marks(name: str) -> None:
    assert unaccented(normalise(name)) == ()
