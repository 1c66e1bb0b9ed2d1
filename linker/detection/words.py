"""The words of a note as names are compared, each with its place in the note as it was written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from linker.surface import is_unspaced, normalise, words

_REMOVED = re.compile(r"\[\*\*.{0,200}?\*\*\]", re.DOTALL)  # "[**Hospital 12**]": what de-identification took out
# What no name reaches over: the end of a sentence, a paragraph, an item of a list.
_BREAK = re.compile(r"[.!?;][\"'’”)\]]*\s|\n\s*[-*•–—\n]|^\r?\n\s*\d+[.)]")
_INITIAL = re.compile(r"\.[ \t]*\r?\n?[ \t]*")  # after one or two letters no end of a sentence: "St. Louis"
_LONGEST_GAP = 40
_LONGEST_WORD = 100  # characters; longer ones are of no name, and none is kept
_KEPT_FORMS = 1 << 16


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a note.

    begin, end: code points in the note. form: normalised, never empty. gap: what stands between it and the word before
    it in a normalised name, a space or nothing; None where no name goes on.
    """

    begin: int
    end: int
    form: str
    gap: str | None


def marks(note: str) -> Iterator[tuple[int, int]]:
    """Where de-identification took something out, as half-open ranges of code points."""
    return (mark.span() for mark in _REMOVED.finditer(note))


def words_of(note: str) -> Iterator[Word]:
    """The words in order. Those within a de-identification mark are left out, and no name goes over one.

    >>> [(word.form, word.gap) for word in words_of("Mr. [**Name**] has œdema. MI")]
    [('mr', None), ('has', None), ('edema', ' '), ('mi', None)]
    """
    removed = _REMOVED.finditer(note)
    mark = next(removed, None)
    before, is_apart = Word(0, 0, "", None), True
    for first, past in words(note):
        begin, end = first, past
        while mark and mark.end() <= begin:
            mark, is_apart = next(removed, None), True
        if (mark and mark.start() < end) or end - begin > _LONGEST_WORD:
            is_apart = True
            continue
        text = note[begin:end]
        form = _form(text)
        if not form:
            continue
        if not text.isascii():
            begin, end = without_controls(note, begin, end)
        gap = None if is_apart or _breaks(note, before, begin) else "" if _joins(before.form, form) else " "
        before, is_apart = Word(begin, end, form, gap), False
        yield before


@lru_cache(_KEPT_FORMS)
def _form(word: str) -> str:
    return normalise(word)


def without_controls(note: str, begin: int, end: int) -> tuple[int, int]:
    """A range without the format controls around it, such as a byte-order mark."""
    while begin < end and unicodedata.category(note[begin]) == "Cf":
        begin += 1
    while begin < end and unicodedata.category(note[end - 1]) == "Cf":
        end -= 1
    return begin, end


def _joins(one: str, other: str) -> bool:
    return not (one.isascii() and other.isascii()) and (is_unspaced(one[-1]) or is_unspaced(other[0]))


def _breaks(note: str, before: Word, begin: int) -> bool:
    if begin - before.end <= 1:
        return False
    gap = note[before.end : begin + 1] if begin - before.end <= _LONGEST_GAP else ""
    if not gap:
        return True
    if len(before.form) <= 2 and before.form.isalpha() and _INITIAL.fullmatch(gap[:-1]):
        return False
    return bool(_BREAK.search(gap))
