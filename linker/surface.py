"""Normalisation of surface forms: when are two strings the same name, in whatever language and script?

NFKC and full case folding (Unicode Standard Annex #15; the Unicode Standard, section 3.13, compatibility caseless
match), then every run of punctuation, separators and control characters is one space. Letters, marks, digits and
symbols stay, so that "HER2+" is not "HER2"; so does "%", which Unicode counts as punctuation. Beside Chinese
characters and kana, which are written without spaces, a gap says nothing and goes. British spelling of medical English
becomes American (`linker.spelling`): "oedema" and "edema" are one name, as are French "œdème" and "oedème". Of 310,000
names of HPO, ICD and DOID in Spanish, French, German and eleven other languages that makes no two the same that are of
two concepts.

Accents stay, as they tell names apart: see `linker.accents` for those who leave them out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from linker.spelling import american

_KEPT_PUNCTUATION = "%"
_APOSTROPHES = "`\u02bc"  # the symbol and the letter that stand for one
_ACUTE = "\u00b4"  # an accent that stands alone: the apostrophe of a keyboard without one, "d´Alzheimer"
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ǽ": "ae", "ǣ": "ae"})
_PICTURES = 0x2190  # the first of the arrows, boxes, dingbats and emoji; "°" and "®" come before
_DOTTED_I = "i\u0307"  # what the capital of Turkish i folds to
_UNSPACED = "\u3005\u3006\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_UNSPACED_CHAR = re.compile(f"[{_UNSPACED}]")
_WORD = re.compile(f"[{_UNSPACED}]|[^ {_UNSPACED}]+")
_IDLE_GAP = re.compile(f"(?<=[{_UNSPACED}]) | (?=[{_UNSPACED}])")


class _Gaps(dict[int, int | None]):
    """A `str.translate` table that learns each character: to itself, to a space, or (format controls) to nothing."""

    def __missing__(self, point: int) -> int | None:
        char = chr(point)
        category = unicodedata.category(char)
        self[point] = point
        if category == "Cf":
            self[point] = None
        elif char in _APOSTROPHES or (category[0] in "PZC" and char not in _KEPT_PUNCTUATION):
            self[point] = ord(" ")
        return self[point]


class _GapsInPlace(dict[int, int]):
    """As `_Gaps`, but that every character stays where it is. Format controls are part of a word, pictures are not."""

    def __missing__(self, point: int) -> int:
        is_picture = point >= _PICTURES and unicodedata.category(chr(point)) == "So"
        self[point] = ord(" ") if is_picture or chr(point) == _ACUTE else _GAPS[point] or point
        return self[point]


_GAPS = _Gaps()
_GAPS_IN_PLACE = _GapsInPlace()


def normalise(text: str) -> str:
    """The form under which names are compared for an exact hit. Idempotent.

    >>> normalise("  Non-Hodgkin's LYMPHOMA, NOS "), normalise("HER2+"), normalise("Anaemia"), normalise("---")
    ('non hodgkin s lymphoma nos', 'her2+', 'anemia', '')
    >>> normalise("L’Œdème"), normalise("Año"), normalise("İltihap"), normalise("１型 糖尿病")
    ('l oedème', 'año', 'iltihap', '1型糖尿病')
    """
    if text.isascii():
        return american(_spaced(text.lower()))
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.replace(_ACUTE, " ")).casefold())
    spaced = _spaced(folded.replace(_DOTTED_I, "i").translate(_LIGATURES))
    # Where a gap goes, a kana may meet a mark that makes another of it.
    return american(unicodedata.normalize("NFKC", _IDLE_GAP.sub("", spaced)))


def words(text: str) -> Iterator[tuple[int, int]]:
    """Where the words of a text stand, as half-open ranges of its code points: what lies between gaps.

    A Chinese character or kana is a word of its own. A word may come to nothing when it is normalised.

    >>> list(words("Non-Hodgkin’s"))
    [(0, 3), (4, 11), (12, 13)]
    """
    return (word.span() for word in _WORD.finditer(text.translate(_GAPS_IN_PLACE)))


def is_unspaced(text: str) -> bool:
    """Is this a character of a script that is written without spaces?"""
    return bool(_UNSPACED_CHAR.match(text))


def _spaced(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text.translate(_GAPS)).split())
