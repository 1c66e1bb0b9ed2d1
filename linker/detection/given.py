"""Mentions that the caller knows already: from an annotator, or from a detector that is none of ours."""

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
