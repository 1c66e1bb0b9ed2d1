"""Several mentions that share words: "breast and ovarian cancer", "type 1 or 2 diabetes", "hepatitis A, B and C".

Around a comma, a slash or a conjunction the note is read as L X, M ... and Y R, where L X R, L M R and L Y R each have
to be a name of the dictionary: a coordination is never guessed. Without R, X and Y have to be labels, as 1 and A are,
since "acute pain and fatigue" does not say that the fatigue is acute. Only the words that are a mention's own are its
pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from linker.detection.detector import Span
from linker.detection.forms import Forms
from linker.detection.words import Word

_CONJUNCTIONS = frozenset(  # English, Spanish, French, German
    {"and", "or", "nor", "y", "e", "o", "u", "ni", "et", "ou", "und", "oder", "sowie"}
)
_COMMA = re.compile(r"\s*([,/])\s*")
_LABEL = re.compile(r"[a-z]|\d{1,2}[a-z]?|[ivx]+")
_LEFT = 4  # words of L and X at most
_OWN = 3  # words of M, and of Y
_RIGHT = 3  # words of R
_MIDDLES = 6  # parts between the first and the last


@dataclass(frozen=True, slots=True)
class _Gap:
    """What stands between two parts: words before `end` are before it, those from `begin` on behind it.

    closes: it can stand before the last part, as a comma cannot.
    """

    end: int
    begin: int
    closes: bool


def coordinated(note: str, words: Sequence[Word], forms: Forms, is_name: Callable[[str], bool]) -> list[Span]:
    """The mentions of each coordination; those that share no word with others are left to whoever finds names."""
    gaps = list(_gaps(note, words))
    spans: list[Span] = []
    read = 0  # words before it are of a coordination that was found
    for position, gap in enumerate(gaps):
        first = max(read, gaps[position - 1].begin if position else 0)
        if gap.end <= first:
            continue
        following = gaps[position : position + _MIDDLES + 1]
        for parts in _readings(words, following, forms, is_name, first=first):
            spans += [_span(words, part) for part in parts]
            read = parts[-1][-1] + 1
            break
    return spans


def _gaps(note: str, words: Sequence[Word]) -> Iterator[_Gap]:
    place = 1
    while place < len(words):
        end = place
        while place < len(words) and words[place].form in _CONJUNCTIONS and words[place].gap is not None:
            place += 1
        comma = _COMMA.fullmatch(note, words[end - 1].end, words[end].begin) if words[end].gap is not None else None
        if place < len(words) and (place > end or comma):
            yield _Gap(end, place, place > end or (comma is not None and comma[1] == "/"))
        place = max(place, end + 1)


def _readings(
    words: Sequence[Word], gaps: Sequence[_Gap], forms: Forms, is_name: Callable[[str], bool], *, first: int
) -> Iterator[list[list[int]]]:
    """Parts, each as the places of its words: those with most parts first, then those that begin first."""
    end = gaps[0].end
    for chain, limit in _chains(words, gaps):
        for start in range(max(first, end - _LEFT), end):
            if _apart(words, start + 1, chain[-1].begin + 1):
                continue
            rows = forms.rows(_form(words, range(start, end)))
            if rows[0] < rows[1]:
                yield from _completed(words, chain, range(start, end), is_name, limit=limit)


def _chains(words: Sequence[Word], gaps: Sequence[_Gap]) -> Iterator[tuple[Sequence[_Gap], int]]:
    """The first gap alone and with those that follow, as far as the parts between are short: longest first.

    With each, where the words end that may belong to its last part.
    """
    length = 1
    while length < len(gaps) and gaps[length].end - gaps[length - 1].begin <= _OWN:
        length += 1
    for count in range(length, 0, -1):
        if gaps[count - 1].closes:
            limit = gaps[count].end if count < len(gaps) else len(words)
            yield gaps[:count], min(limit, gaps[count - 1].begin + _OWN + _RIGHT)


def _completed(
    words: Sequence[Word], chain: Sequence[_Gap], left: range, is_name: Callable[[str], bool], *, limit: int
) -> Iterator[list[list[int]]]:
    middles = [range(a.begin, b.end) for a, b in pairwise(chain)]
    begin = chain[-1].begin
    for own in range(1, _OWN + 1):
        for past in range(min(begin + own + _RIGHT, limit), begin + own - 1, -1):
            last, right = range(begin, begin + own), range(begin + own, past)
            if _apart(words, begin + 1, past) or not is_name(_form(words, [*left, *right])):
                continue
            # What is shared on the left: nothing only if something is on the right.
            for shared in range(left.stop - 1, left.start - (1 if right else 0), -1):
                common = range(left.start, shared)
                parts = [[*left, *right], *([*common, *part, *right] for part in (*middles, last))]
                labels = [range(shared, left.stop), *middles, last]
                if not right and not all(_is_label(words, label) for label in labels):
                    continue
                if all(is_name(_form(words, part)) for part in parts[1:]):
                    yield parts


def _is_label(words: Sequence[Word], places: range) -> bool:
    return len(places) == 1 and bool(_LABEL.fullmatch(words[places[0]].form))


def _apart(words: Sequence[Word], begin: int, end: int) -> bool:
    return any(words[place].gap is None for place in range(begin, end))


def _form(words: Sequence[Word], places: Sequence[int]) -> str:
    return " ".join(words[place].form for place in places)


def _span(words: Sequence[Word], places: Sequence[int]) -> Span:
    pieces: list[tuple[int, int]] = []
    for position, place in enumerate(places):
        goes_on = position and places[position - 1] == place - 1
        begin = pieces.pop()[0] if goes_on else words[place].begin
        pieces.append((begin, words[place].end))
    return Span(tuple(pieces))
