"""Which words translate which, learned from parallel names: IBM Model 1 (Brown et al. 1993, section 4.4).

Names are short and come by the ten thousand, so that a few rounds of expectation and maximisation find the translation
of nearly every word that occurs twice. It needs no dictionary and takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

_ROUNDS = 6
_NOTHING = ""  # the word that accounts for what translates none, Brown's "null"

Words = Sequence[str]


def translations(pairs: Iterable[tuple[Words, Words]], *, least: float = 0.1) -> Mapping[str, Mapping[str, float]]:
    """For each word on the left of `pairs`, the words on the right that translate it, with their probabilities.

    Those below `least` are left out; a word that translates nothing has none.

    >>> pairs = [("dolor renal", "kidney pain"), ("dolor", "pain"), ("fallo renal", "kidney failure")]
    >>> pairs = [(one.split(), other.split()) for one, other in pairs]
    >>> max(translations(pairs)["renal"].items(), key=lambda entry: entry[1])[0]
    'kidney'
    """
    left, right = _Numbers(), _Numbers()
    slots: list[tuple[int, int, int]] = []  # (place of a word on the right, its number, number of a word on the left)
    place = 0
    for source, target in pairs:
        sources = {left.number(word) for word in (*source, _NOTHING)}
        for word in target:
            slots += ((place, right.number(word), number) for number in sources)
            place += 1
    if not slots:
        return {}
    places, targets, sources_of = np.array(slots, dtype=np.int64).T
    cells, cell = np.unique(sources_of * len(right.words) + targets, return_inverse=True)
    owner, named = np.divmod(cells, len(right.words))
    probability = np.full(len(cells), 1.0)
    for _ in range(_ROUNDS):
        weight = probability[cell]
        expected = np.bincount(cell, weight / np.bincount(places, weight)[places])
        probability = expected / np.bincount(owner, expected)[owner]
    found: dict[str, dict[str, float]] = {}
    for at in np.flatnonzero(probability >= least):
        found.setdefault(left.words[owner[at]], {})[right.words[named[at]]] = float(probability[at])
    found.pop(_NOTHING, None)
    return found


class _Numbers:
    """Words in the order they came, with their numbers."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, word: str) -> int:
        """The number of a word, a new one where it is new."""
        found = self._numbers.setdefault(word, len(self.words))
        if found == len(self.words):
            self.words.append(word)
        return found
