"""The language of a note: the one its caller states, or the one that its first words are taken for.

Languages are BCP-47 tags: `es`, and `es-MX`, which is a kind of it. Detection is py3langid's, naive Bayes over n-grams
of bytes (Lui, Baldwin, langid.py, ACL 2012), among the languages that matter here alone. Where it is not sure, as of
"asma" or "HTA, DM2", the language is `und`, BCP-47's own for undetermined: no guess.
"""

from __future__ import annotations

import copy
import io
import lzma
import re
from array import array
from collections.abc import Iterable
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

UNDETERMINED = "und"
EXPECTED = "expected a language tag (BCP-47), such as es, es-MX, or und where it is not known"

_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")
_PARTS = re.compile("[-_]")  # releases write pt_BR, too
_READ = 1000  # characters of a note
# How sure detection has to be. Of 5,900 snippets of 10 characters of abstracts and case reports, English and Spanish, 7
# are then taken for another of four languages; of 20 and of 40 characters one, of 100 none (benchmarks/languages.py).
_SURE = 0.9


def is_tag(text: str) -> bool:
    """Is this a language tag? Private ones and those without a language, which say nothing here, are none."""
    return bool(_TAG.fullmatch(text))


def speaks(tag: str, language: str) -> bool:
    """Is a tag that language, or a kind of it?

    >>> speaks("es-MX", "es"), speaks("es", "es-MX"), speaks("est", "es")
    (True, False, False)
    """
    return f"{tag.lower()}-".startswith(f"{language.lower()}-")


class LanguageDetector:
    """Says which of some languages a note is in. Immutable but for its model, and safe to share between threads.

    >>> detector = LanguageDetector(["en", "es-MX", "fr"])
    >>> detector.detect("Paciente sin fiebre ni tos"), detector.detect("asma")
    ('es', 'und')
    """

    def __init__(self, languages: Iterable[str]) -> None:
        """languages: tags; of each, the language alone counts. One that the model does not know is never the answer."""
        self._languages = frozenset(_PARTS.split(tag.lower())[0] for tag in languages)

    def detect(self, note: str) -> str:
        """One of the languages, or "und". A note in none of them is in the one that is nearest."""
        text = " ".join(note[:_READ].split())  # lines and columns say nothing of the language
        if not text or not self._identifier.labels:
            return UNDETERMINED
        language, probability = self._identifier.classify(text)
        return language if probability >= _SURE else UNDETERMINED

    @cached_property
    def _identifier(self) -> LanguageIdentifier:
        every = _model()
        identifier = copy.copy(every)  # shares all but the columns of its languages
        identifier.set_languages(self._languages & set(every.labels))
        return identifier


@cache
def _model() -> LanguageIdentifier:
    """The model that py3langid ships, of 139 languages: 75 MiB, loaded once a process, in half a second.

    Read here, in memory: py3langid's own reader wants a temporary file, and a server may have no place for one.
    """
    from py3langid.langid import MODEL_DIR, MODEL_FILE, LanguageIdentifier

    content = io.BytesIO(lzma.decompress((MODEL_DIR / MODEL_FILE).read_bytes()))
    with np.load(content, allow_pickle=False) as read:
        # Python takes numbers out of its own arrays several times as fast as out of numpy's.
        moves, rows, features = (
            array(read[name].dtype.char, read[name].tobytes()) for name in ("nextmove", "nextmove_row", "out_feat")
        )
        labels = read["classes"].tolist()
        return LanguageIdentifier(read["ptc"], read["pc"], labels, moves, features, norm_probs=True, tk_row=rows)
