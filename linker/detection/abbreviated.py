"""Short forms that a note defines: where a long form names something medical, so does its short form.

After "familial Mediterranean fever (FMF)" each FMF is a mention, whether or not it is a name; after "polymerase chain
reaction (PCR)" no PCR is one, whatever it is short for elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from linker.abbreviations import definitions
from linker.detection.detector import Detector, Span, resolved

_WORD = re.compile(r"\w+")
_END = re.compile(r"s?(?!\w)")


class AbbreviationDetector:
    """What another detector finds, with the short forms that each note defines set right."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    def detect(self, notes: Sequence[str]) -> list[list[Span]]:
        """See `Detector`."""
        found = self._detector.detect(notes)
        return [
            ShortForms(definitions(note), self._detector).set_right(note, spans)
            for note, spans in zip(notes, found, strict=True)
        ]


class ShortForms:
    """The short forms of one note, wherever they stand in it. Safe to share between threads."""

    def __init__(self, defined: Mapping[str, str], detector: Detector) -> None:
        """defined: long forms by short forms. detector: says which long forms are mentions, once they are asked for."""
        self._defined = defined
        self._detector = detector
        self._named: dict[str, bool] = {}
        self._lengths = sorted({len(form) for form in defined}, reverse=True)

    def set_right(self, text: str, spans: list[Span]) -> list[Span]:
        """The mentions of the note, or of a part of it, of which a detector has found `spans`."""
        found = list(self._occurrences(text))
        if not found:
            return spans
        self._ask(form for _, form in found)
        other = {span for span, form in found if not self._named[form]}
        kept = [
            replace(span, instead=tuple(one for one in span.instead if one not in other))
            for span in spans
            if span not in other
        ]
        return resolved(kept + [span for span, form in found if self._named[form]])

    def _ask(self, forms: Iterator[str]) -> None:
        unknown = [form for form in dict.fromkeys(forms) if form not in self._named]
        long_forms = [self._defined[form] for form in unknown]
        found = map(_ends_in_one, long_forms, self._detector.detect(long_forms))
        self._named.update(zip(unknown, found, strict=True))

    def _occurrences(self, text: str) -> Iterator[tuple[Span, str]]:
        """Where each short form stands as a word, or its plural in s: the longest of several."""
        past = 0
        for word in _WORD.finditer(text) if self._defined else ():
            begin = word.start()
            forms = (text[begin : begin + length] for length in self._lengths if begin >= past)
            for form in forms:
                if form in self._defined and (end := _END.match(text, begin + len(form))):
                    past = end.end()
                    yield Span(((begin, past),)), form
                    break


def _ends_in_one(long_form: str, spans: Sequence[Span]) -> bool:
    """Is the long form a mention, or a mention with words before it?"""
    return any(span.end == len(long_form) for span in spans)
