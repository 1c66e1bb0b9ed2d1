"""Mentions that the caller knows already: from an annotator, or from a detector that is none of ours.

Places count code points. No error holds words of a note.
"""

from __future__ import annotations

from collections.abc import Sequence

from linker.detection.detector import Span
from linker.errors import InvalidInput


class GivenDetector:
    """The spans it was given for each note."""

    def __init__(self, spans: Sequence[Sequence[Span]]) -> None:
        """spans: those of each note that will be asked for, in the order of the notes."""
        self._spans = [sorted(of_note) for of_note in spans]

    def detect(self, notes: Sequence[str]) -> list[list[Span]]:
        """See `Detector`. Raises `InvalidInput` where a span does not lie in its note."""
        if len(notes) != len(self._spans):
            raise InvalidInput(f"expected the spans of {len(notes)} notes, got {len(self._spans)}", field="spans")
        for position, (note, spans) in enumerate(zip(notes, self._spans, strict=True)):
            for place, span in enumerate(spans):
                check_span(span, len(note), f"spans[{position}][{place}]")
        return [list(spans) for spans in self._spans]


def spans_of(mentions: object, note: str, *, field: str) -> tuple[Span, ...]:
    """The places of the mentions of a note, as JSON has them, in their order in the note.

    mentions: a list of objects with `begin` and `end`, or with `pieces`, each of which is an object or a list of the
    two. They may overlap. Where one says what it is in `mention`, that has to stand there. Raises `InvalidInput` naming
    the field.
    """
    if not isinstance(mentions, list):
        raise InvalidInput(f"expected a list of mentions, got {_kind(mentions)}", field=field)
    spans = tuple(_span(mention, f"{field}[{place}]") for place, mention in enumerate(mentions))
    for place, span in enumerate(spans):
        check_span(span, len(note), f"{field}[{place}]")
        _check_words(mentions[place], span, note, f"{field}[{place}]")
    return tuple(sorted(spans))


def _span(mention: object, field: str) -> Span:
    if not isinstance(mention, dict):
        raise InvalidInput(f"expected an object with begin and end, got {_kind(mention)}", field=field)
    pieces = mention.get("pieces")
    if not pieces:
        return Span((_piece(mention, field),))
    if not isinstance(pieces, list):
        raise InvalidInput(f"expected a list, got {_kind(pieces)}", field=f"{field}.pieces")
    return Span(tuple(_piece(piece, f"{field}.pieces[{place}]") for place, piece in enumerate(pieces)))


def _piece(piece: object, field: str) -> tuple[int, int]:
    if isinstance(piece, list) and len(piece) == 2:
        piece = dict(zip(("begin", "end"), piece, strict=True))
    if not isinstance(piece, dict):
        raise InvalidInput(f"expected begin and end, got {_kind(piece)}", field=field)
    begin, end = (_integer(piece.get(name), f"{field}.{name}") for name in ("begin", "end"))
    return begin, end


def _integer(value: object, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidInput(f"expected an integer, got {_kind(value)}", field=field)
    return value


def _check_words(mention: dict[str, object], span: Span, note: str, field: str) -> None:
    """Raise `InvalidInput` where a mention says what it is, and something else stands there."""
    said = mention.get("mention")
    if isinstance(said, str) and not mention.get("composite") and said.split() != span.text(note).split():
        message = "is not what the note has there; begin and end have to count code points of this very text"
        raise InvalidInput(message, field=f"{field}.mention")


def _kind(value: object) -> str:
    """What a value of JSON is, without what it says."""
    return "nothing" if value is None else type(value).__name__


def check_span(span: Span, length: int, field: str) -> None:
    """Raises `InvalidInput` naming `field` where a span does not lie in a note of so many code points."""
    past = 0
    for begin, end in span.pieces:
        if not past <= begin < end <= length:
            message = f"expected pieces in order within 0..{length} (code points), got {begin}..{end}"
            raise InvalidInput(message, field=field)
        past = end
    if not span.pieces:
        raise InvalidInput("expected at least one piece", field=field)
