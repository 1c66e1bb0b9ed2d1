"""Notes that are nothing but a mention each, as in a list of terms."""

from __future__ import annotations

from collections.abc import Sequence

from linker.detection.detector import Span


class WholeDetector:
    """All of each note, but for the white space around it."""

    def detect(self, notes: Sequence[str]) -> list[list[Span]]:
        """See `Detector`."""
        return [
            [Span(((len(note) - len(note.lstrip()), len(note.rstrip())),))] if note.strip() else [] for note in notes
        ]
