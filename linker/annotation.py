"""Annotation: from a note to its mentions, each with link, section and assertion.

Detection, linking, sections and assertion read the same note and do not know one another. The whole note is the context
of each mention: what it abbreviates anywhere is read in full everywhere. A note is in one language, which says by which
rules its sections and assertions are read; names are looked for in all languages of the bundle.

A long note is read in parts, so that a server can do other work between them: `Annotator.parts`, then `find`, then
`link`, each as many at a time as one likes. `annotate` is the three in a row.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from linker.abbreviations import definitions, expand
from linker.assertion import Triggers
from linker.detection.abbreviated import AbbreviationDetector, ShortForms
from linker.detection.choice import Detect, detector_of
from linker.detection.detector import Detector, Span
from linker.detection.given import check_span
from linker.detection.tagger import Tagger
from linker.errors import InvalidInput
from linker.language import EXPECTED, LanguageDetector, is_tag
from linker.notes import AnnotatedMention, AnnotatedNote, Note, mention_at
from linker.options import DEFAULTS, Options
from linker.pipeline import Linker, Timings
from linker.records import Assertion, ConceptFilter, Link, Mention
from linker.reranking import is_named
from linker.sections import Headers, Outline
from linker.sentences import passages

__all__ = ["MAX_NOTE_LENGTH", "AnnotatedMention", "AnnotatedNote", "Annotator", "FoundMention", "Part"]

MAX_NOTE_LENGTH = 10_000_000  # characters
_READ = 1 << 16  # characters read at once: enough mentions to share their work, few enough to hold
_BATCH = 512  # mentions linked at once
_FILTERS_KEPT = 4  # each remembers words of notes, up to some 20 MB


@dataclass(frozen=True, slots=True)
class _Rules:
    """By what notes are read."""

    headers: Headers
    triggers: Triggers
    languages: LanguageDetector


class Whole:
    """What is asked of the whole of a note, found out when it is first asked for."""

    def __init__(self, note: Note, rules: _Rules) -> None:
        self.text = note.text
        self._language = note.language
        self._rules = rules
        self._short_forms: ShortForms | None = None

    @cached_property
    def language(self) -> str:
        """See `AnnotatedNote`."""
        return self._language or self._rules.languages.detect(self.text)

    @property
    def without_rules(self) -> bool:
        """See `AnnotatedNote`."""
        return not self._rules.triggers.know(self.language)

    @cached_property
    def outline(self) -> Outline:
        """Its sections."""
        return self._rules.headers.outline(self.text, self.language)

    @cached_property
    def defined(self) -> dict[str, str]:
        """Its abbreviations."""
        return definitions(self.text)

    def short_forms(self, names: Detector) -> ShortForms:
        """Its short forms, and which of them name something: a note is read by the same names throughout."""
        if self._short_forms is None:
            self._short_forms = ShortForms(self.defined, names)
        return self._short_forms


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Some of a note: the code points from `begin` to `end`. spans: those given in place of detection, in order."""

    note: Whole
    begin: int
    end: int
    spans: Sequence[Span] | None = None

    @property
    def text(self) -> str:
        """What stands there."""
        return self.note.text[self.begin : self.end]


@dataclass(frozen=True, slots=True)
class FoundMention:
    """A mention that is not linked yet.

    reading: the mention with its abbreviations in full. is_given: by the caller, and shown whatever it links to.
    instead_of: shown only where this other one is not. The rest: see `AnnotatedMention`.
    """

    span: Span
    mention: Mention
    reading: Mention
    assertions: frozenset[Assertion]
    section: str
    is_given: bool
    instead_of: FoundMention | None = None


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
        """detector: what finds mentions, all of which are shown. None finds short forms that notes define and what
        `linker.detection.choice.detector_of` finds, `detect` and `tagger` given; what is no name and fits no concept is
        left out.
        """
        self.linker = linker
        self._given = detector
        self.detect, self._tagger = detect, tagger
        triggers = triggers or Triggers()
        languages = LanguageDetector([*triggers.languages, *linker.bundle.manifest.languages])
        self._rules = _Rules(headers or Headers(), triggers, languages)
        self._names = lru_cache(_FILTERS_KEPT)(self._of_names)

    def annotate(
        self,
        notes: Sequence[Note | str],
        options: Options = DEFAULTS,
        *,
        advance: Callable[[int], object] = lambda _: None,
    ) -> list[AnnotatedNote]:
        """Each note with its mentions: the spans it has, else what is found. It does not depend on the other notes.

        advance: called with the number of characters read since the last call. Raises `InvalidInput` naming the field.
        """
        self.linker.check(options)
        given = [note if isinstance(note, Note) else Note(note) for note in notes]
        for position, note in enumerate(given):
            _check(note, f"notes[{position}]")
        parts = [self.parts(note) for note in given]
        shown: list[list[AnnotatedMention]] = []
        for group in _groups([part for of_note in parts for part in of_note]):
            found = self.find(group, options)
            linked = self._linked([mention for of_part in found for mention in of_part], options)
            shown += [[mention for _ in of_part if (mention := next(linked))] for of_part in found]
            advance(sum(part.end - part.begin for part in group))
        of_parts = iter(shown)
        return [
            AnnotatedNote(
                note.text,
                tuple(mention for _ in of_note for mention in next(of_parts)),
                of_note[0].note.language,
                of_note[0].note.without_rules,
            )
            for note, of_note in zip(given, parts, strict=True)
        ]

    def parts(self, note: Note) -> list[Part]:
        """The note in parts that can be read one by one: at least one."""
        whole = Whole(note, self._rules)
        places = list(passages(note.text)) or [(0, 0)]
        if note.spans is not None:
            spans = sorted(note.spans)
            begins = [span.begin for span in spans]
            return [
                Part(whole, begin, end, spans[bisect_left(begins, begin) : bisect_left(begins, end)])
                for begin, end in places
            ]
        if self._given is not None:
            places = [(0, len(note.text))]
        return [Part(whole, begin, end) for begin, end in places]

    def find(self, parts: Sequence[Part], options: Options = DEFAULTS) -> list[list[FoundMention]]:
        """The mentions of each part, in order. They do not depend on the other parts given."""
        to_read = [part for part in parts if part.spans is None]
        names = self._given or self._names(options.filter)
        detected = iter(names.detect([part.text for part in to_read]))
        return [
            self._found(part, self._set_right(part, next(detected), names) if part.spans is None else part.spans)
            for part in parts
        ]

    def link(
        self, found: Sequence[FoundMention], options: Options = DEFAULTS
    ) -> tuple[list[AnnotatedMention | None], Timings]:
        """Each mention with its link, None for one that is not shown, and the time that took.

        A mention comes out the same whatever others are linked with it.
        """
        first = {id(m): m for m in found if m.instead_of is None}
        first |= {id(m.instead_of): m.instead_of for m in found if m.instead_of is not None}
        shown, timings = self._shown(list(first.values()), options)
        by_id = dict(zip(first, shown, strict=True))
        second = [m for m in found if m.instead_of is not None and by_id[id(m.instead_of)] is None]
        if second:
            shown, more = self._shown(second, options)
            by_id |= dict(zip(map(id, second), shown, strict=True))
            timings += more
        return [by_id.get(id(m)) for m in found], timings

    def detector(self, options: Options = DEFAULTS) -> Detector:
        """What finds the mentions of whole notes under these options."""
        return self._given or AbbreviationDetector(self._names(options.filter))

    def _of_names(self, wanted: ConceptFilter) -> Detector:
        return detector_of(self.linker.bundle, detect=self.detect, tagger=self._tagger, wanted=wanted)

    def _set_right(self, part: Part, spans: list[Span], names: Detector) -> list[Span]:
        """What was detected in a part, as places in the note."""
        if self._given is not None:
            return spans
        in_part = part.note.short_forms(names).set_right(part.text, spans)
        in_note = (span.moved(part.begin) for span in in_part)
        return [span for span in in_note if not part.note.outline.in_header(span.begin)]

    def _shown(self, found: Sequence[FoundMention], options: Options) -> tuple[list[AnnotatedMention | None], Timings]:
        mentions, readings = [m.mention for m in found], [m.reading for m in found]
        links, timings = self.linker.link_as_read(mentions, readings, options, guessed=[not m.is_given for m in found])
        shown = [
            AnnotatedMention(m.span, link, m.assertions, m.section) if m.is_given or _is_named(link) else None
            for m, link in zip(found, links, strict=True)
        ]
        return shown, timings

    def _found(self, part: Part, detected: Sequence[Span]) -> list[FoundMention]:
        """Sorted, with what each is to be replaced by where no concept fits it."""
        spans = [*detected, *(span for cover in detected for span in cover.instead)]
        places = [(span.begin - part.begin, span.end - part.begin) for span in spans]
        said = self._rules.triggers.assertions(part.text, places, part.note.language)
        is_given = self._given is not None or part.spans is not None
        found = []
        for span, by_words in zip(spans, said, strict=True):
            mention = mention_at(part.note.text, span)
            reading = replace(mention, text=expand(mention.text, part.note.defined))
            section = part.note.outline.at(span.begin)
            found.append(FoundMention(span, mention, reading, by_words | section.assertions, section.name, is_given))
        covers = [cover for cover, span in zip(found, detected, strict=False) for _ in span.instead]
        hidden = (replace(m, instead_of=cover) for m, cover in zip(found[len(detected) :], covers, strict=True))
        return sorted([*found[: len(detected)], *hidden], key=lambda mention: mention.span)

    def _linked(self, found: Sequence[FoundMention], options: Options) -> Iterator[AnnotatedMention | None]:
        for begin in range(0, len(found), _BATCH):
            yield from self.link(found[begin : begin + _BATCH], options)[0]


def _groups(parts: Sequence[Part]) -> Iterator[Sequence[Part]]:
    """Parts that are read together, so that notes of any length need little memory."""
    begin = held = 0
    for place, part in enumerate(parts):
        if held >= _READ:
            yield parts[begin:place]
            begin, held = place, 0
        held += part.end - part.begin
    yield parts[begin:]


def _check(note: Note, field: str) -> None:
    if len(note.text) > MAX_NOTE_LENGTH:
        message = f"expected at most {MAX_NOTE_LENGTH:,} characters, got {len(note.text):,}; split it"
        raise InvalidInput(message, field=field)
    if note.language and not is_tag(note.language):
        raise InvalidInput(EXPECTED, field=f"{field}.language")
    for position, span in enumerate(note.spans or ()):
        check_span(span, len(note.text), f"{field}.spans[{position}]")


def _is_named(link: Link) -> bool:
    """Does a concept fit, or is this at least a name of some?"""
    return link.concept is not None or is_named(link.candidates)
