"""Plain text: in UTF-8, and in the script of its language."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

from linker.errors import InvalidInput
from training.weak.texts import read_plain


def test_lines_are_read_packed_or_not(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Fiebre.\n\n  Tos. \n", encoding="utf-8")
    (tmp_path / "b.gz").write_bytes(gzip.compress("Año β.".encode()))
    assert read_plain([tmp_path / "a.txt", tmp_path / "b.gz"], "es") == ["Fiebre.", "Tos.", "Año β."]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("Año".encode("latin-1"), "expected lines of UTF-8"),
        ("Лихорадка и кашель, HIV.".encode(), "16% of its letters are Latin, in which es is written: is it in es"),
        (b" \n", "has no text in it"),
    ],
)
def test_what_is_no_text_in_the_language_is_refused_without_a_word_of_it(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    (tmp_path / "notes.txt").write_bytes(content)
    with pytest.raises(InvalidInput, match=expected) as caught:
        read_plain([tmp_path / "notes.txt"], "es")
    assert "notes.txt" in str(caught.value)
    assert "HIV" not in str(caught.value)
