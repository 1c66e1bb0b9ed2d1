"""Names of a bundle and a trained model together.

The model reads the sentence: it finds mentions that no name spells, and where they end. A name is exact: what it finds
is known to the bundle, whatever the model has learned.

- What the model takes for a mention, of the types that the bundle is about, is one.
- A name is one as well, unless the model knows such names and is sure that this is none (`linker.detection.scope`).
- Where the two overlap, the model says where the mention begins and ends. A coordination keeps its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from linker.detection.detector import Span
from linker.detection.dictionary import DictionaryDetector
from linker.detection.scope import Scope
from linker.detection.tagger import Tagged, Tagger
from linker.detection.words import marks, without_controls

_SURE = 0.1  # the probability of a mention below which a name that the model knows is none


class ModelDetector:
    """What a tagger takes for mentions of the types that a bundle is about."""

    def __init__(self, tagger: Tagger, scope: Scope) -> None:
        self._tagger, self._scope = tagger, scope

    def detect(self, notes: Sequence[str]) -> list[list[Span]]:
        """See `Detector`."""
        tagged = self._tagger.tag(notes)
        return [proposed(note, tags, self._scope.types) for note, tags in zip(notes, tagged, strict=True)]


class CombinedDetector:
    """Names, and what a tagger takes for mentions. Immutable, and safe to share between threads."""

    def __init__(self, names: DictionaryDetector, tagger: Tagger, scope: Scope) -> None:
        self._names, self._tagger, self._scope = names, tagger, scope

    def detect(self, notes: Sequence[str]) -> list[list[Span]]:
        """See `Detector`. Takes time linear in the length of a note."""
        named = self._names.detect(notes)
        if not self._scope.types and not self._scope.known:
            return named
        tagged = self._tagger.tag(notes)
        return [self._joined(*each) for each in zip(notes, named, tagged, strict=True)]

    def _joined(self, note: str, named: Sequence[Span], tags: Tagged) -> list[Span]:
        meant = [span for span in named if self._is_meant(note, span, tags)]
        coordinated = _parts(note, meant)
        taken = _Taken(note, coordinated)
        found = [span for span in proposed(note, tags, self._scope.types) if taken.is_free(span)]
        taken.take(found)
        return sorted([*coordinated, *found, *filter(taken.is_free, meant)])

    def _is_meant(self, note: str, span: Span, tags: Tagged) -> bool:
        if self._scope.known.isdisjoint(self._names.semantic_types(span.text(note))):
            return True
        return any(tags.shares(begin, end).max() >= _SURE for begin, end in span.pieces)


def proposed(note: str, tags: Tagged, types: Sequence[int]) -> list[Span]:
    """Mentions of some types, in order; of those that overlap, the likeliest. None reaches into a removed part."""
    taken = _Taken(note, [Span((place,)) for place in marks(note)])
    likeliest = sorted((-float(tags.shares(*place)[kind]), *place) for kind in types for place in tags.mentions(kind))
    kept: list[Span] = []
    for _, begin, end in likeliest:
        span = Span((without_controls(note, begin, end),))
        if span.begin < span.end and taken.is_free(span):
            taken.take([span])
            kept.append(span)
    return sorted(kept)


class _Taken:
    """The places of a note that mentions have taken."""

    def __init__(self, note: str, spans: Iterable[Span]) -> None:
        self._places = bytearray(len(note))
        self.take(spans)

    def take(self, spans: Iterable[Span]) -> None:
        for span in spans:
            self._places[span.begin : span.end] = b"\1" * (span.end - span.begin)

    def is_free(self, span: Span) -> bool:
        return 1 not in self._places[span.begin : span.end]


def _parts(note: str, spans: Sequence[Span]) -> list[Span]:
    """The parts of coordinations: mentions in pieces, and those that stand between or share them."""
    split = _Taken(note, (span for span in spans if len(span.pieces) > 1))
    return [span for span in spans if not split.is_free(span)]
