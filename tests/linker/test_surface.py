"""One name is one form, however it is cased, punctuated and encoded, in every script."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from linker.surface import normalise

european = st.text(alphabet="aeinouzAEINOUZáéíñöüßœæçøıİŒß'’´`- ,ΑάςΣй")
unspaced = st.text(alphabet="糖尿病性コレラガｶﾞー々１型 、，・ab", min_size=1)


@example("カ#\u3099")  # a kana and a sound mark, which are one character once nothing is between
@given(st.text() | european | unspaced)
def test_idempotent(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text() | european | unspaced)
def test_case_and_canonical_form_do_not_matter(text: str) -> None:
    assert normalise(unicodedata.normalize("NFD", text)) == normalise(text)
    assert normalise(text.casefold()) == normalise(text)


@given(st.text() | european | unspaced)
def test_no_outer_or_double_space_and_no_control(text: str) -> None:
    result = normalise(text)
    assert result == " ".join(result.split())
    assert not any(unicodedata.category(char)[0] in "CZ" and char != " " for char in result)


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_what_is_ascii_is_so_afterwards(text: str) -> None:
    assert normalise(text).isascii()
    # one path of two: beside a letter that is not ASCII the same words come out
    assert normalise(f"é {text}") == f"é {normalise(text)}".strip()


def test_what_is_one_name_and_what_is_not() -> None:
    assert normalise("Non-Hodgkin's  lymphoma, NOS") == normalise("non hodgkin’s lymphoma (nos)")
    assert normalise("HER2+") != normalise("HER2")
    assert normalise("Straße") == normalise("STRASSE")
    assert normalise("soft\u00adhyphen") == "softhyphen"
    assert normalise("---") == normalise(" \x00\t") == ""


@pytest.mark.parametrize(
    "alike",
    [
        (
            "Maladie d'Alzheimer",
            "maladie d’Alzheimer",
            "MALADIE D´ALZHEIMER",
            "maladie d`alzheimer",
            "maladie dʼAlzheimer",
        ),
        ("Œdème du fœtus", "oedème du foetus", "ŒDÈME DU FŒTUS"),
        ("Kırık", "KIRIK".replace("I", "ı")),
        ("İLTİHAP", "iltihap"),
        ("ΚΑΡΚΙΝΟΣ", "καρκινος", "καρκινοσ"),
        ("１型糖尿病", "1型糖尿病", "1 型 糖尿病"),
        ("ﾏﾙﾌｧﾝ症候群", "マルファン症候群", "マルファン・症候群"),
        ("コレラ，詳細不明", "コレラ、詳細不明", "コレラ 詳細不明"),
    ],
)
def test_one_name(alike: tuple[str, ...]) -> None:
    assert len({normalise(text) for text in alike}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("año", "ano"), ("ガ", "カ"), ("й", "и"), ("papá", "papa"), ("mặt", "mắt"), ("糖尿病 HbA1c", "糖尿病 HbA1d")],
)
def test_two_names(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_spaces_between_words_of_other_scripts_stay() -> None:
    assert normalise("糖尿病 type 2 b") == "糖尿病type 2 b"
    assert normalise("сахарный диабет") == "сахарный диабет"
    assert normalise("โรค หัวใจ") == "โรค หัวใจ"
