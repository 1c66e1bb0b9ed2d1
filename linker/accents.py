"""Names as those write them who leave accents out: "infeccion", "Sjogren", "Haematom" for "Hämatom".

A mention that is no name as it stands is looked up once more in these spellings, and names can be found by them. They
are no part of `linker.surface.normalise`: of 310,000 names of HPO and ICD in fourteen languages, 27 pairs of concepts
differ in accents alone (in Vietnamese "mặt", face, from "mắt", eye), and encoders were trained with them.

Marks are left out of Latin and Greek letters: in other scripts they are vowels, or other letters. The tilde of Spanish
ñ stays, a letter of its own: "año" is no "ano". German umlauts, and their like in Scandinavian languages, are written
with two letters as well.
"""

from __future__ import annotations

import re
import unicodedata

from linker.spelling import american

_TWO_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_NO_MARK = str.maketrans({"ı": "i", "ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h"})  # Unicode does not take apart
_TILDE = "\u0303"
_MARK = re.compile("[\u0300-\u036f]")  # those that Latin and Greek letters have


def unaccented(name: str) -> tuple[str, ...]:
    """Other spellings of a normalised name, normalised as well; none where it has no accents.

    >>> unaccented("hämatom"), unaccented("año de infección"), unaccented("edema")
    (('hamatom', 'hematom'), ('año de infeccion',), ())
    """
    if name.isascii():
        return ()
    plain = (american(_without_marks(text)) for text in (name, name.translate(_TWO_LETTERS)))
    return tuple(text for text in dict.fromkeys(plain) if text != name)


def _without_marks(text: str) -> str:
    plain = text.translate(_PLAIN)
    return _stripped(plain) if _MARK.search(plain) else plain  # some have no character of their own


def _stripped(text: str) -> str:
    kept: list[str] = []
    base = " "
    for char in unicodedata.normalize("NFD", text):
        if not _MARK.match(char):
            base = char
        elif _is_latin_or_greek(base) and not (base == "n" and char == _TILDE):
            continue
        kept.append(char)
    return unicodedata.normalize("NFC", "".join(kept)).translate(_NO_MARK)


def _is_latin_or_greek(char: str) -> bool:
    return unicodedata.name(char, "").startswith(("LATIN", "GREEK"))


class _Plain(dict[int, str]):
    """A `str.translate` table that learns each character."""

    def __missing__(self, point: int) -> str:
        self[point] = _stripped(chr(point))
        return self[point]


_PLAIN = _Plain()
