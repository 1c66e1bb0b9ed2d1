"""In which script a language is written: what tells a name of it from one that a source has mislabelled."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

# By primary subtag, as `unicodedata.name` begins; what is not here is written in Latin letters.
_SCRIPTS = {
    **dict.fromkeys(("be", "bg", "kk", "ky", "mk", "mn", "ru", "tg", "uk"), ("CYRILLIC",)),
    **dict.fromkeys(("ar", "fa", "ps", "ur"), ("ARABIC",)),
    **dict.fromkeys(("hi", "mr", "ne", "sa"), ("DEVANAGARI",)),
    **dict.fromkeys(("he", "yi"), ("HEBREW",)),
    "am": ("ETHIOPIC",),
    "bn": ("BENGALI",),
    "el": ("GREEK",),
    "hy": ("ARMENIAN",),
    "ja": ("CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"),
    "ka": ("GEORGIAN",),
    "km": ("KHMER",),
    "ko": ("HANGUL", "CJK"),
    "lo": ("LAO",),
    "my": ("MYANMAR",),
    "si": ("SINHALA",),
    "sr": ("CYRILLIC", "LATIN"),
    "ta": ("TAMIL",),
    "te": ("TELUGU",),
    "th": ("THAI",),
    "zh": ("CJK",),
}
_SUBTAGS = {"latn": ("LATIN",), "cyrl": ("CYRILLIC",), "arab": ("ARABIC",), "hans": ("CJK",), "hant": ("CJK",)}


def scripts_of(tag: str) -> tuple[str, ...]:
    """The scripts of a BCP-47 tag: those its script subtag names, else those of its language.

    >>> scripts_of("es-MX"), scripts_of("sr-Latn"), scripts_of("uk")
    (('LATIN',), ('LATIN',), ('CYRILLIC',))
    """
    primary, *rest = tag.lower().split("-")
    named = (_SUBTAGS[subtag] for subtag in rest if subtag in _SUBTAGS)
    return next(named, _SCRIPTS.get(primary, ("LATIN",)))


def is_in_script(name: str, scripts: tuple[str, ...]) -> bool:
    """Whether a name has a letter of one of the scripts; one without letters is in every script.

    >>> is_in_script("fiebre", ("LATIN",)), is_in_script("лихорадка", ("LATIN",)), is_in_script("46,5", ("LATIN",))
    (True, False, True)
    """
    letters = [char for char in name if char.isalpha()]
    return not letters or any(_script(char) in scripts for char in letters)


def share_in_scripts(texts: Iterable[str], scripts: tuple[str, ...]) -> float:
    """The share, in [0, 1], of the letters of texts that are of one of the scripts; 1 where there are no letters.

    >>> share_in_scripts(["fiebre", "лихо"], ("LATIN",)), share_in_scripts(["38,5"], ("LATIN",))
    (0.6, 1.0)
    """
    letters = Counter(char for text in texts for char in text if char.isalpha())
    own = sum(count for char, count in letters.items() if _script(char) in scripts)
    return own / letters.total() if letters else 1.0


@lru_cache(maxsize=4096)
def _script(char: str) -> str:
    return unicodedata.name(char, "").partition(" ")[0]
