from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from linker.surface import normalise


@given(st.text())
def test_idempotent(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(st.text())
def test_case_and_canonical_form_do_not_matter(text: str) -> None:
    assert normalise(unicodedata.normalize("NFD", text)) == normalise(text)
    assert normalise(text.casefold()) == normalise(text)


@given(st.text())
def test_no_outer_or_double_space_and_no_control(text: str) -> None:
    result = normalise(text)
    assert result == " ".join(result.split())
    assert not any(unicodedata.category(char)[0] in "CZ" and char != " " for char in result)


def test_what_is_one_name_and_what_is_not() -> None:
    assert normalise("Non-Hodgkin's  lymphoma, NOS") == normalise("non hodgkin’s lymphoma (nos)")
    assert normalise("HER2+") != normalise("HER2")
    assert normalise("Straße") == normalise("STRASSE")
    assert normalise("soft\u00adhyphen") == "softhyphen"
    assert normalise("---") == normalise(" \x00\t") == ""
