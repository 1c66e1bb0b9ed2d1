"""Annotation: from a note to its mentions, each with link, section and assertion.

Detection, linking, sections and assertion read the same note and do not know one another. The whole note is the context
of each mention: what it abbreviates anywhere is read in full everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from linker.abbreviations import in_full
from linker.assertion import Triggers
from linker.detection.abbreviated import AbbreviationDetector
from linker.detection.choice import Detect, detector_of
from linker.detection.detector import Detector, Span
from linker.detection.tagger import Tagger
from linker.errors import InvalidInput
from linker.limits import MAX_MENTION_LENGTH
from linker.options import DEFAULTS, Options
from linker.pipeline import Linker
from linker.records import Assertion, ConceptFilter, Link, MatchSource, Mention
from linker.sections import Headers, Outline

MAX_NOTE_LENGTH = 10_000_000  # characters
_BATCH = 512  # mentions linked at once
_FILTERS_KEPT = 16


@dataclass(frozen=True, slots=True)
class AnnotatedMention:
    """A mention with what is known of it.

    assertions: what the note says of it, none where it is simply there. section: name of the section's kind, or "".
    """

    span: Span
    link: Link
    assertions: frozenset[Assertion] = frozenset()
    section: str = ""


@dataclass(frozen=True, slots=True)
class AnnotatedNote:
    """A note as it was given, with its mentions in order."""

    text: str
    mentions: tuple[AnnotatedMention, ...]


class Annotator:
    """Annotates notes. Immutable and safe to share between threads.

    >>> annotator = Annotator(Linker.open())  # doctest: +SKIP
    >>> [str(m.link.concept.preferred_name) for m in annotator.annotate(["No fever."])[0].mentions]  # doctest: +SKIP
    ['Fever']
    """

    def __init__(
        self,
        linker: Linker,
        *,
        detector: Detector | None = None,
        detect: Detect = Detect.BOTH,
        tagger: Tagger | None = None,
        headers: Headers | None = None,
        triggers: Triggers | None = None,
    ) -> None:
        """detector: what finds mentions, all of which are shown. None finds them as `detect` says, by names and by
        `tagger` or the shipped one, and short forms that notes define; what is no name and fits no concept is left out.
        """
        self.linker = linker
        self._given = detector
        self._detect, self._tagger = detect, tagger
        self._headers = headers or Headers()
        self._triggers = triggers or Triggers()
        self._detector = lru_cache(_FILTERS_KEPT)(self._made)

    def annotate(self, notes: Sequence[str], options: Options = DEFAULTS) -> list[AnnotatedNote]:
        """Each note with its mentions. An answer does not depend on the other notes.

        Raises `InvalidInput` naming the field.
        """
        self.linker.check(options)
        for position, note in enumerate(notes):
            if len(note) > MAX_NOTE_LENGTH:
                message = f"expected at most {MAX_NOTE_LENGTH:,} characters, got {len(note):,}; split it"
                raise InvalidInput(message, field=f"notes[{position}]")
        detector = self.detector(options)
        outlines = [self._headers.outline(note) for note in notes]
        found = [
            [span for span in spans if not outline.in_header(span.begin)]
            for outline, spans in zip(outlines, detector.detect(notes), strict=True)
        ]
        mentions = [m for note, spans in zip(notes, found, strict=True) for m in _mentions(note, spans)]
        links = self._linked(mentions, options)
        return [self._annotated(*of_note, links) for of_note in zip(notes, outlines, found, strict=True)]

    def detector(self, options: Options = DEFAULTS) -> Detector:
        """What finds the mentions under these options."""
        return self._given or self._detector(options.filter)

    def _made(self, wanted: ConceptFilter) -> Detector:
        made = detector_of(self.linker.bundle, detect=self._detect, tagger=self._tagger, wanted=wanted)
        return AbbreviationDetector(made)

    def _linked(self, mentions: Sequence[Mention], options: Options) -> Iterator[Link]:
        readings = in_full(mentions)  # of all batches: a note is searched for definitions once
        for begin in range(0, len(mentions), _BATCH):
            batch = slice(begin, begin + _BATCH)
            yield from self.linker.link_as_read(mentions[batch], readings[batch], options)

    def _annotated(self, note: str, outline: Outline, spans: Sequence[Span], links: Iterator[Link]) -> AnnotatedNote:
        said = self._triggers.assertions(note, [(span.begin, span.end) for span in spans])
        return AnnotatedNote(
            note,
            tuple(
                AnnotatedMention(span, link, by_words | section.assertions, section.name)
                for span, by_words in zip(spans, said, strict=True)
                for link, section in [(next(links), outline.at(span.begin))]
                if self._given or not _is_noise(link)
            ),
        )


def _is_noise(link: Link) -> bool:
    """Is this neither a name of the bundle nor near enough to one?"""
    return link.concept is None and all(found.source is MatchSource.DENSE for found in link.candidates)


def _mentions(note: str, spans: Sequence[Span]) -> Iterator[Mention]:
    for span in spans:
        text = span.text(note)[:MAX_MENTION_LENGTH]
        is_whole = len(span.pieces) == 1 and len(text) == span.end - span.begin
        yield Mention(text, note, span.begin, span.end) if is_whole else Mention(text, note)
