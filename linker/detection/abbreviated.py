"""Short forms that a note defines: where a long form names something medical, so does its short form.

After "familial Mediterranean fever (FMF)" each FMF is a mention, whether or not it is a name; after "polymerase chain
reaction (PCR)" no PCR is one, whatever it is short for elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from linker.abbreviations import definitions
from linker.detection.detector import Detector, Span, resolved


class AbbreviationDetector:
    """What another detector finds, with the short forms that each note defines set right."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def detect(self, notes: Sequence[str]) -> list[list[Span]]:
        """See `Detector`."""
        found = self._detector.detect(notes)
        return [self._set_right(note, spans) for note, spans in zip(notes, found, strict=True)]

    def _set_right(self, note: str, spans: list[Span]) -> list[Span]:
        defined = definitions(note)
        if not defined:
            return spans
        long_forms = list(defined.values())
        found = map(_ends_in_one, long_forms, self._detector.detect(long_forms))
        named = dict(zip(defined, found, strict=True))
        short_forms = list(_occurrences(note, named))
        other = {span for span, is_named in short_forms if not is_named}
        kept = [span for span in spans if span not in other]
        return resolved(kept + [span for span, is_named in short_forms if is_named])


def _ends_in_one(long_form: str, spans: Sequence[Span]) -> bool:
    """Is the long form a mention, or a mention with words before it?"""
    return any(span.end == len(long_form) for span in spans)


def _occurrences(note: str, short_forms: Mapping[str, bool]) -> Iterator[tuple[Span, bool]]:
    """Where each short form stands as a word, or its plural in s, with what is said of it."""
    longest_first = "|".join(map(re.escape, sorted(short_forms, key=len, reverse=True)))
    for found in re.finditer(rf"(?<!\w)({longest_first})(s?)(?!\w)", note):
        yield Span((found.span(),)), short_forms[found[1]]
