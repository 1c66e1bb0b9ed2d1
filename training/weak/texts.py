"""Plain text in a language: read, and checked for being in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from linker.errors import InvalidInput
from training.scripts import scripts_of, share_in_scripts
from training.vocabulary import read_texts

_LEAST = 0.5  # share of letters in the script of a language, below which a text is taken to be in another


def read_plain(paths: Sequence[Path], language: str) -> list[str]:
    """The lines of text files that are not blank: UTF-8, plain, .gz or .xz.

    Raises `InvalidInput`: a file that cannot be read, that is empty, or that is mostly in another script than the
    language's.
    """
    found: list[str] = []
    for path in paths:
        lines = list(read_texts([path]))
        if not lines:
            raise InvalidInput("has no text in it; expected lines", field=str(path))
        check_script(lines, language, field=str(path))
        found += lines
    return found


def check_script(texts: Sequence[str], language: str, *, field: str) -> None:
    """Raise `InvalidInput` where most letters of `texts` are not in a script of the language."""
    share, scripts = share_in_scripts(texts, scripts_of(language)), " or ".join(scripts_of(language)).title()
    if share < _LEAST:
        raise InvalidInput(
            f"{share:.0%} of its letters are {scripts}, in which {language} is written: is it in {language}? A tag "
            f"may name its script, such as {language}-Latn",
            field=field,
        )
