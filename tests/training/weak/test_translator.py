"""A translator of the user's: what is wrong with it is said by its name, and without a word of any note."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

from linker.errors import InvalidInput
from training.errors import TrainingError
from training.weak.translator import Translation, load_translator

MODULE = """
def upper(texts): return [text.upper() for text in texts]
def aligned(texts): return [(text, "0-1 1-0") for text in texts]
def fewer(texts): return texts[1:]
def empty(texts): return ["" for text in texts]
def nothing(texts): return None
def numbers(texts): return [1 for text in texts]
def unaligned(texts): return [(text, "0 to 1") for text in texts]
def failing(texts): raise ValueError(f"cannot translate {texts[0]}")
nobody = 1
"""
SECRET = ["Mr Smith has fever", "cough"]


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "invented_translator.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "invented_translator", raising=False)


def test_strings_and_pairs_are_translations() -> None:
    assert load_translator("invented_translator:upper")(["a b"] * 600) == [Translation("A B")] * 600
    assert load_translator("invented_translator:aligned")(["a b"]) == [Translation("a b", ((0, 1), (1, 0)))]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("fewer", "expected 2 translations, one a text, got 1"),
        ("empty", "all of 2 translations are empty"),
        ("nothing", "expected a list of 2 strings, got NoneType"),
        ("numbers", "expected strings, or pairs of a string and its alignment such as '0-0 1-2', got int"),
        ("unaligned", "expected strings, or pairs"),
        ("failing", "raised ValueError at invented_translator.py:9, given 2 texts"),
    ],
)
def test_a_function_that_does_otherwise_is_named_and_no_text_is(function: str, expected: str) -> None:
    with pytest.raises(TrainingError, match=expected) as caught:
        load_translator(f"invented_translator:{function}")(SECRET)
    assert f"translator invented_translator:{function}:" in str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        assert "Smith" not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("translate", "expected module:function, got translate"),
        ("no_such_module:f", "No module named 'no_such_module'. Install"),
        ("invented_translator:absent", "has no attribute 'absent'"),
        ("invented_translator:nobody", "expected a function, got int"),
    ],
)
def test_what_is_no_function_is_refused(name: str, expected: str) -> None:
    with pytest.raises(InvalidInput, match=expected) as caught:
        load_translator(name)
    assert caught.value.field == "--translate"
