"""Normalisation of surface forms: when are two strings the same name?

NFKC and full case folding (Unicode Standard Annex #15; the Unicode Standard, section 3.13, compatibility caseless
match), then every run of punctuation, separators and control characters is one space. Letters, marks, digits and
symbols stay, so that "HER2+" is not "HER2"; so does "%", which Unicode counts as punctuation. British spelling of
medical English becomes American (`linker.spelling`): "oedema" and "edema" are one name.
"""

from __future__ import annotations

import unicodedata

from linker.spelling import american

_KEPT_PUNCTUATION = "%"


class _Gaps(dict[int, int | None]):
    """A `str.translate` table that learns each character: to itself, to a space, or (format controls) to nothing."""

    def __missing__(self, point: int) -> int | None:
        char = chr(point)
        category = unicodedata.category(char)
        self[point] = point
        if category == "Cf":
            self[point] = None
        elif category[0] in "PZC" and char not in _KEPT_PUNCTUATION:
            self[point] = ord(" ")
        return self[point]


_GAPS = _Gaps()


def normalise(text: str) -> str:
    """The form under which names are compared for an exact hit. Idempotent.

    >>> normalise("  Non-Hodgkin's LYMPHOMA, NOS "), normalise("HER2+"), normalise("Anaemia"), normalise("---")
    ('non hodgkin s lymphoma nos', 'her2+', 'anemia', '')
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return american(" ".join(unicodedata.normalize("NFKC", folded.translate(_GAPS)).split()))
