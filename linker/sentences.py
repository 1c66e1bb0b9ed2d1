"""Sentences of a clinical note, the lines and items that stand for them, and passages of several of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

# The end of a sentence; an empty line; a line that begins an item, or with a capital or a digit, as wrapped text rarely
# does. "Dr." and the like are cut too early now and then, which costs a scope and never a mention; German "V. a." and
# "Z. n.", behind which a noun with its capital always stands, are not.
_GERMAN = r"(?<!\b[VZ]\. [an])(?<!\b[VZ]\.[an])"
_END = re.compile(
    rf"(?<![.!?]){_GERMAN}[.!?]+[\"'’”)\]]*\s+(?=[^\sa-z])"
    r"|\r?\n[ \t]*(?:\r?\n|(?=[-*•–#]|[A-ZÀ-ÖØ-ÞŒ¿¡\d]))"
)

_BLANK_LINE = re.compile(r"\n[ \t\r]*\n")
_PASSAGE = 2000  # characters at most: some 70 ms of reading
_SEARCHED = 1000
_SPACE = re.compile(r"\s")
_MARK = 206  # characters of "[**...**]" at most


def sentences(note: str) -> Iterator[tuple[int, int]]:
    """Half-open ranges of code points, in order, which together are the note.

    >>> list(sentences("No fever. Cough, 3.5 days"))
    [(0, 10), (10, 25)]
    """
    begin = 0
    for end in _END.finditer(note):
        yield begin, end.end()
        begin = end.end()
    if begin < len(note):
        yield begin, len(note)


def passages(note: str) -> Iterator[tuple[int, int]]:
    """Half-open ranges of code points, in order, which together are the note: of a short one, all of it.

    A longer one is cut where nothing reaches over: at the last blank line among the last 1,000 of 2,000 characters.
    Where those have none it is at the last end of a sentence, the last space, or anywhere but in a de-identification
    mark.
    """
    begin = 0
    while len(note) - begin > _PASSAGE:
        end = _cut(note, begin, begin + _PASSAGE)
        yield begin, end
        begin = end
    if begin < len(note):
        yield begin, len(note)


def _cut(note: str, begin: int, limit: int) -> int:
    for end in (_BLANK_LINE, _END, _SPACE):
        if cuts := [found.end() for found in end.finditer(note, limit - _SEARCHED, limit)]:
            limit = cuts[-1]
            break
    mark = note.rfind("[**", begin, limit)
    return mark if mark > begin and note.find("**]", mark + 3, mark + _MARK) + 3 > limit else limit
