"""Names of a bundle and a trained model together.

The model reads the sentence: it finds mentions that no name spells, and words before and behind a name that belong to
it. A name is exact: what it finds is known to the bundle, whatever the model has learned.

- What the model takes for a mention, of the types that the bundle is about, is one.
- A name is one as well, unless the model knows such names (`linker.detection.scope`) and says that this is a mention
  of something else ("CP" is cyclophosphamide here), or no mention ("affected by"). What it says is heard where it can
  know: an acronym in a list tells it nothing, and of a name of several words that it does not take for a mention even
  where it stands alone ("spleens, floating") it has never heard.
- Where the two overlap, the longer stays. If that is the model's and no concept fits it, the names stay instead: of
  "advanced Parkinson's disease" the bundle may know the last two words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from linker.detection.detector import Span, resolved
from linker.detection.dictionary import DictionaryDetector
from linker.detection.scope import TAKEN, Scope
from linker.detection.tagger import Tagged, Tagger
from linker.detection.windows import Place
from linker.detection.words import marks, without_controls
from linker.sentences import sentences

# Chosen on the notes that were held out of training, with MEDIC without the names of their corpora, and looked over on
# development sets.
_LIKELY = 0.85  # how likely the words of a mention that no name spells, or of something else, have to be, their mean
_UNLIKELY = 0.1  # how likely those of a name have to be, where the model knows such names
_BETWEEN, _OPENING, _CLOSING = " \t\r\n-,;:/'\"", "([{", ")]}"
_KEPT = 1 << 12  # names whose reading is remembered


class ModelDetector:
    """What a tagger takes for mentions of the types that a bundle is about."""

    def __init__(self, tagger: Tagger, scope: Scope) -> None:
        self._tagger, self._scope = tagger, scope

    def detect(self, notes: Sequence[str]) -> list[list[Span]]:
        """See `Detector`. Takes time linear in the length of a note."""
        tagged = self._tagger.tag(notes)
        return [resolved(proposed(note, tags, self._scope.types)) for note, tags in zip(notes, tagged, strict=True)]


class CombinedDetector:
    """Names, and what a tagger takes for mentions.

    Immutable but for what it remembers, and safe to share between threads.
    """

    def __init__(self, names: DictionaryDetector, tagger: Tagger, scope: Scope) -> None:
        self._names, self._tagger, self._scope = names, tagger, scope
        self._alone = lru_cache(_KEPT)(self._read_alone)

    def detect(self, notes: Sequence[str]) -> list[list[Span]]:
        """See `Detector`. Takes time linear in the length of a note."""
        named = self._names.detect(notes)
        if not self._scope.types and not self._scope.known:
            return named
        tagged = self._tagger.tag(notes)
        return [self._joined(*each) for each in zip(notes, named, tagged, strict=True)]

    def _joined(self, note: str, named: Sequence[Span], tags: Tagged) -> list[Span]:
        meant = [span for span in named if self._is_meant(note, span, tags)]
        return _with_names(resolved([*meant, *proposed(note, tags, self._scope.types)]), meant)

    def _is_meant(self, note: str, span: Span, tags: Tagged) -> bool:
        surface = span.text(note)
        kinds = self._scope.kinds(self._names.semantic_types(surface))
        if not kinds:
            return True
        shares = np.max([tags.shares(begin, end) for begin, end in span.pieces], axis=0)
        own, most = shares[kinds].max(), shares.max()
        if own >= TAKEN:
            return True
        if surface.isupper():
            return bool(own >= _UNLIKELY or most <= _LIKELY)
        alone, is_word = self._alone(surface), " " not in surface
        if own >= _UNLIKELY:
            return not is_word or bool(alone.max() >= _UNLIKELY)
        is_known = alone[kinds].max() > TAKEN
        if alone.max() > TAKEN and not is_known:
            return True
        return bool(most <= _LIKELY and (most >= _UNLIKELY or not (is_known or is_word)))

    def _read_alone(self, surface: str) -> NDArray[np.float32]:
        """How likely the whole of a text is a mention of each type, (types,) float32."""
        return self._tagger.tag([surface])[0].shares(0, len(surface))


def _with_names(kept: Sequence[Span], names: Sequence[Span]) -> list[Span]:
    """The spans, those of the model with the names that they alone keep from staying."""
    known = set(names)
    at = {place: span for span in kept for place in range(span.begin, span.end)}
    hidden: dict[Span, list[Span]] = {}
    for name in names:
        over = {span for place in range(name.begin, name.end) if (span := at.get(place))}
        if len(over) == 1 and known.isdisjoint(over):
            hidden.setdefault(over.pop(), []).append(name)
    return [replace(span, instead=tuple(resolved(hidden[span]))) if span in hidden else span for span in kept]


def proposed(note: str, tags: Tagged, types: Sequence[int]) -> list[Span]:
    """Likely mentions of some types. None goes on in a new line or reaches into what de-identification took out."""
    removed = bytearray(len(note))
    for begin, end in marks(note):
        removed[begin:end] = b"\1" * (end - begin)
    lines = np.array([end for begin, end in sentences(note) if "\n" in _space_behind(note[begin:end])], dtype=np.int64)
    found = ((kind, place) for kind in types for whole in tags.mentions(kind) for place in _cut(tags, whole, lines))
    likely = (place for kind, place in found if tags.shares(*place)[kind] >= _LIKELY)
    trimmed = (_trimmed(note, *without_controls(note, begin, end)) for begin, end in likely)
    return [Span(((begin, end),)) for begin, end in trimmed if begin < end and 1 not in removed[begin:end]]


def _cut(tags: Tagged, place: Place, ends: NDArray[np.int64]) -> Iterator[Place]:
    """A mention in parts, none of which goes on behind one of `ends`, ascending."""
    pieces = tags.places[tags.pieces(*place)]
    part = np.searchsorted(ends, pieces[:, 0], side="right")
    for number in np.unique(part):
        own = pieces[part == number]
        yield int(own[0, 0]), int(own[-1, 1])


def _trimmed(note: str, begin: int, end: int) -> Place:
    """Without what no mention begins or ends with, as of "RCC- and", "(the"."""
    text = note[begin:end].rstrip(_OPENING + _BETWEEN)
    return begin + len(text) - len(text.lstrip(_CLOSING + _BETWEEN)), begin + len(text)


def _space_behind(text: str) -> str:
    return text[len(text.rstrip()) :]
