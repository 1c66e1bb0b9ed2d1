"""Dictionary matching: the longest names of a bundle that stand in a note, word by word.

Names are compared in their normalised form, with or without accents, in the singular or plural. A single word is taken
for a name only where it says enough: not of fewer than two letters, not where other names use it as a word, and only in
capitals where the bundle writes all its names so or where it is a common word of text ("all", see
`linker.detection.generic`). What a filter leaves out is not found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from linker.bundle import Bundle
from linker.columns import utf8
from linker.detection.coordination import coordinated
from linker.detection.detector import Span, resolved
from linker.detection.forms import Forms, Rows, singulars
from linker.detection.generic import common_words, generic_words
from linker.detection.words import Word, words_of
from linker.inference import load_tokenizer
from linker.records import EVERYTHING, ConceptFilter
from linker.surface import normalise
from linker.terminology import Terminology

_ACRONYM = 6  # characters at most of names whose capitals have to stand in the note, too
_SHOUTED = 3  # words in capitals on one side, where those of an acronym say nothing
_KEPT_NAMES = 1 << 16


class DictionaryDetector:
    """Finds the names of a bundle. Immutable but for what it remembers, and safe to share between threads."""

    def __init__(
        self, terminology: Terminology, *, common: frozenset[str] = frozenset(), wanted: ConceptFilter = EVERYTHING
    ) -> None:
        """Of the concepts, and in the languages, that `wanted` lets through. common: words that are none in text."""
        self._terminology = terminology
        self._forms = Forms(terminology.forms)
        self._mask = terminology.name_mask(wanted) if wanted else None
        self._common = common
        self._generic = generic_words(terminology.forms.array)
        self._name = lru_cache(_KEPT_NAMES)(self._read_name)

    def detect(self, notes: Sequence[str]) -> list[list[Span]]:
        """See `Detector`. Takes time linear in the length of a note."""
        return [self._detect(note) for note in notes]

    def is_name(self, form: str) -> bool:
        """Is a normalised form a name that would be found, or the plural of one?"""
        rows = self._forms.name(form)
        return rows is not None and self._name(rows) is not None

    def semantic_types(self, surface: str) -> frozenset[str]:
        """Those of the concepts that a mention which was found may name; "" stands for none."""
        rows = self._forms.name(normalise(surface))
        found = (self._types(name) for name in self._names_at(rows)) if rows else ()
        return frozenset(kind for types in found for kind in types or ("",))

    @classmethod
    def of(cls, bundle: Bundle, *, wanted: ConceptFilter = EVERYTHING) -> DictionaryDetector:
        """Of the names of a bundle, whose encoder says which words are common."""
        common = common_words(load_tokenizer(bundle.path / "encoder"))
        return cls(bundle.terminology, common=common, wanted=wanted)

    def _detect(self, note: str) -> list[Span]:
        return [span for words in _runs(words_of(note)) for span in self._detect_in(note, words)]

    def _detect_in(self, note: str, words: Sequence[Word]) -> list[Span]:
        spans = coordinated(note, words, self._forms, self.is_name)
        for start in range(len(words)):
            begin = past = words[start].begin
            for end, rows in self._forms.walk(words, start):
                closed = self._with_bracket(note, begin, words[end - 1].end)
                if closed and self._is_meant(note, words, range(start, end), rows):
                    past = closed
            if past > begin:
                spans.append(Span(((begin, past),)))
        return resolved(spans)

    def _with_bracket(self, note: str, begin: int, end: int) -> int | None:
        """Where a name ends, with the bracket that it needs behind it: "iron (III)". None where it cuts one in two.

        Nor does a name go into a bracket that is a mention itself: "chronic obstructive lung disease (COPD)" are two.
        """
        surface = note[begin:end]
        if _is_balanced(surface):
            return end
        opening = max(map(surface.rfind, "(["))
        if _is_balanced(note[begin : end + 1]) and not self.is_name(normalise(surface[opening + 1 :])):
            return end + 1
        return None

    def _is_meant(self, note: str, words: Sequence[Word], places: range, rows: Rows) -> bool:
        in_capitals = self._name(rows)
        if in_capitals is None:
            return False
        if not in_capitals and (len(places) > 1 or not self._is_common(words[places.start].form)):
            return True
        surface = note[words[places.start].begin : words[places.stop - 1].end]
        return sum(map(str.isupper, surface)) > 1 and not _is_shouted(note, words, places)

    def _is_common(self, form: str) -> bool:
        return form in self._common or any(singular.decode() in self._common for singular in singulars(utf8(form)))

    def _read_name(self, rows: Rows) -> bool | None:
        """Whether a name has to stand in capitals; None for one that is never looked for."""
        form = self._forms.form(rows[0])
        if form in self._generic or sum(map(str.isalpha, form)) < 2:
            return None
        names = self._names_at(rows)
        if self._mask is not None and not self._mask[names].any():
            return None
        if self._is_common(form):
            return True
        return len(form) <= _ACRONYM and not any(map(str.islower, "".join(map(self._terminology.name, names))))

    def _names_at(self, rows: Rows) -> list[int]:
        return [self._terminology.name_of_form(row) for row in self._forms.equal(rows)]

    def _types(self, name: int) -> tuple[str, ...]:
        return self._terminology.semantic_types(int(self._terminology.concept_of_name[name]))


def _runs(words: Iterable[Word]) -> Iterator[list[Word]]:
    """Words that a name may go over, together: a note of any length is read piece by piece."""
    run: list[Word] = []
    for word in words:
        if word.gap is None and run:
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _is_balanced(text: str) -> bool:
    return text.count("(") == text.count(")") and text.count("[") == text.count("]")


def _is_shouted(note: str, words: Sequence[Word], places: range) -> bool:
    """Does it stand among words in capitals?"""
    for side in (words[max(0, places.start - _SHOUTED) : places.start], words[places.stop : places.stop + _SHOUTED]):
        if len(side) == _SHOUTED and all(note[w.begin : w.end].isupper() for w in side):
            return True
    return False
