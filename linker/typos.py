"""Names but for one letter: "hypertnesion".

A word that no name of the bundle contains is taken for a slip of the keyboard, and every word that names do contain and
that is one edit away (a letter lost, added or hit for another, or two that changed places: Damerau, 1964) for what may
have been meant. What the mention then reads has to be a name as a whole; who asks looks that up. A mention with two
such words, or with one that is short, is left alone: short words are neighbours of one another.

Of the vocabulary only hashes of the words are kept, sorted, where they lie in the bundle. That a strange word is taken
for a known one happens once in 4 billion for each word there is, and costs one look-up in vain or one slip not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from string import ascii_lowercase
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

SHORTEST = 5  # letters of a word that is corrected; what it is corrected to may have one less
LONGEST = 40  # what is longer would cost much to try, and is no word
FIRST_IN_DOUBT = (
    8  # letters of a word whose first one may be wrong, which is rare (Kukich, 1992): "lives" is no "hives"
)
# Words of one script, and the letters that its typists hit for others: those with accents are tried without, since
# names are found without them (`linker.accents`). Other scripts have no such slips, or write words without gaps.
_SCRIPTS = tuple(
    (re.compile(f"[{letters}]{{{SHORTEST},{LONGEST}}}"), keys)
    for letters, keys in (
        ("a-zß-öø-ɏḀ-ỿ", f"{ascii_lowercase}ñ"),
        ("\u0370-\u03ff\u1f00-\u1fff", "αβγδεζηθικλμνξοπρστυφχψω"),
        ("\u0400-\u052f", "абвгдежзийклмнопрстуфхцчшщъыьэюяёіїєґ"),
    )
)


def word_hashes(words: Sequence[str]) -> NDArray[np.uint32]:
    """What the vocabulary has of words, (n,) uint32: CRC-32 of their UTF-8."""
    return np.array([crc32(word.encode(errors="surrogatepass")) for word in words], dtype=np.uint32)


class Vocabulary:
    """The words of all names, of at least `SHORTEST` - 1 characters. Immutable and safe to share between threads."""

    def __init__(self, hashes: NDArray[np.uint32]) -> None:
        """hashes: `word_hashes` of the words, ascending, each once."""
        self._hashes = hashes

    def corrected(self, name: str) -> list[str]:
        """What a normalised mention may have been meant to be, in code-point order; none where nothing is amiss."""
        words = [word for word in name.split(" ") if len(word) >= SHORTEST - 1]
        strange = [word for word, known in zip(words, self._knows(words), strict=True) if not known]
        if len(strange) != 1:
            return []
        [wrong] = strange
        meant = sorted(set(_edits(wrong)))
        return [
            " ".join(word if part == wrong else part for part in name.split(" "))
            for word, known in zip(meant, self._knows(meant), strict=True)
            if known
        ]

    def _knows(self, words: Sequence[str]) -> NDArray[np.bool_]:
        hashes = word_hashes(words)
        known: NDArray[np.bool_] = np.searchsorted(self._hashes, hashes, "right") > np.searchsorted(
            self._hashes, hashes
        )
        return known


def _edits(word: str) -> Iterator[str]:
    """Every word that is one edit away; none where the word is too short, too long or of another script."""
    keys = next((keys for script, keys in _SCRIPTS if script.fullmatch(word)), "")
    for at in range(len(word) < FIRST_IN_DOUBT, len(word) + 1 if keys else 0):
        before, after = word[:at], word[at:]
        for key in keys:
            yield before + key + after
        if after:
            yield before + after[1:]
            for key in keys:
                yield before + key + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
