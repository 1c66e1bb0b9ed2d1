"""What every detector gives: where in a note something medical is named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Span:
    """The place of one mention.

    pieces: half-open ranges of code points in the note, ascending and apart; one, unless others stand in between, as
    in "breast [and ovarian] cancer". instead: what is meant where no concept fits it, sorted; not compared.
    """

    pieces: tuple[tuple[int, int], ...]
    instead: tuple[Span, ...] = field(default=(), compare=False)

    @property
    def begin(self) -> int:
        """Where the first piece begins."""
        return self.pieces[0][0]

    @property
    def end(self) -> int:
        """Where the last piece ends."""
        return self.pieces[-1][1]

    def moved(self, by: int) -> Span:
        """The same place, so many code points further on."""
        pieces = tuple((begin + by, end + by) for begin, end in self.pieces)
        return Span(pieces, tuple(span.moved(by) for span in self.instead))

    def __lt__(self, other: Span) -> bool:
        """In the order they are read: by begin and end; of a coordination, the part whose own words come first."""
        return self._order < other._order

    @property
    def _order(self) -> tuple[int, int, tuple[int, ...]]:
        return self.begin, self.end, tuple(-place for piece in self.pieces for place in piece)

    def text(self, note: str) -> str:
        """The surface form; that of several pieces has a space between them."""
        return " ".join(note[begin:end] for begin, end in self.pieces)


class Detector(Protocol):
    """Anything that finds mentions."""

    def detect(self, notes: Sequence[str]) -> list[list[Span]]:
        """The mentions of each note, sorted, none within another unless one of them is discontinuous."""


class Union:
    """Several detectors as one; where their mentions overlap, the longest stays, of equals the first detector's."""

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = tuple(detectors)

    def detect(self, notes: Sequence[str]) -> list[list[Span]]:
        """See `Detector`."""
        each = [detector.detect(notes) for detector in self._detectors]
        return [resolved([span for spans in found for span in spans]) for found in zip(*each, strict=True)]


def resolved(spans: Iterable[Span]) -> list[Span]:
    """Those that stay where several overlap, sorted: longest first, of equals the first one given.

    The parts of a coordination, as "breast cancer" and "ovarian cancer" in "breast and ovarian cancer", share where
    they begin or end and all stay. Time is linear in the lengths of the spans.
    """
    kept: list[Span] = []
    at: dict[int, list[Span]] = {}
    for span in sorted(dict.fromkeys(spans), key=lambda span: span.begin - span.end):
        places = range(span.begin, span.end)
        near = dict.fromkeys(other for place in places for other in at.get(place, ()))
        if all(_are_parts(span, other) for other in near):
            kept.append(span)
            for place in places:
                at.setdefault(place, []).append(span)
    return sorted(kept)


def _are_parts(one: Span, other: Span) -> bool:
    """Can these, which overlap, be two parts of one coordination?"""
    is_split = len(one.pieces) > 1 or len(other.pieces) > 1
    shares = one.begin == other.begin or one.end == other.end
    return is_split and shares and not _lies_in(one, other) and not _lies_in(other, one)


def _lies_in(one: Span, other: Span) -> bool:
    return all(any(b <= begin and end <= e for b, e in other.pieces) for begin, end in one.pieces)
