"""Abbreviations that a note defines: after "chronic renal failure (CRF)", CRF means just that.

The algorithm of Schwartz and Hearst (A simple algorithm for identifying abbreviation definitions in biomedical text,
PSB 2003): beside a bracket stand a short form and a long form; read from the right, each letter and digit of the short
form is found in the long form, its first at the beginning of a word. Beyond the paper, words whose initials it is
go before any others; a short form has a capital letter, so that "cold sores (mild)" defines nothing; a definition does
not reach back over a sentence or paragraph. The first letters of words are compared without their accents
("índice de masa corporal (IMC)"), and no long form begins with an article or preposition if a longer one does not.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from linker.records import Mention

_BRACKETS = re.compile(r"[(\[]([^()\[\]]{2,150})[)\]]")
_REACH = 300  # characters before a bracket in which its long form is looked for
_BREAK = re.compile(r"[.!?;]\s|\n\s*\n|[()\[\]]")
_ASIDE = re.compile(r"[;,:=]")  # what follows in the bracket is not the short form: "(CRF; n = 12)"
_SHORT_FORM = re.compile(r"[^\W_]\S{1,9}|[^\W_]\S{0,7} \S{1,7}")
_LITTLE = frozenset(
    [
        *("a", "an", "and", "for", "in", "of", "on", "the", "to", "with"),
        *("con", "de", "del", "e", "el", "en", "la", "las", "los", "y"),
        *("au", "aux", "d", "des", "du", "et", "l", "le", "les"),
        *("das", "dem", "den", "der", "die", "und"),
    ]
)
_FIRST = re.compile(r"\b\w")
_LIGATURES = {"œ": "o", "æ": "a"}
_WORD = re.compile(r"[^\W_](?:[\w'’/+.-]*[\w+])?")


def definitions(text: str) -> dict[str, str]:
    """Long forms by the short forms that `text` defines, each as it does first. Time is linear in `text`.

    >>> definitions("Chronic renal failure (CRF) since 2012, on CPAP (continuous positive airway pressure).")
    {'CRF': 'Chronic renal failure', 'CPAP': 'continuous positive airway pressure'}
    """
    found: dict[str, str] = {}
    breaks = [0, *(match.end() for match in _BREAK.finditer(text))]
    for bracket in _BRACKETS.finditer(text):
        inside = _ASIDE.split(bracket[1], maxsplit=1)[0].strip()
        begin = breaks[bisect_right(breaks, bracket.start()) - 1]
        words = text[max(begin, bracket.start() - _REACH) : bracket.start()].split()
        if not words:
            continue
        if _is_short_form(inside):
            before = " ".join(words[-min(len(inside) + 5, 2 * len(inside)) :])
            short_form, long_form = inside, _long_form(inside, before)
        else:
            short_form = words[-1]
            long_form = _long_form(short_form, " ".join(inside.split())) if _is_short_form(short_form) else ""
        if long_form:
            found.setdefault(short_form, long_form)
    return found


def expand(mention: str, defined: Mapping[str, str]) -> str:
    """`mention` with each defined short form, or its plural in s, in full; one beside its own long form goes.

    >>> expand("recurrent UTIs", {"UTI": "urinary tract infection"})
    'recurrent urinary tract infection'
    >>> expand("urinary tract infection (UTI)", {"UTI": "urinary tract infection"})
    'urinary tract infection'
    """
    # Of the words of the mention, and not of the definitions: a long note has many of both.
    forms = (form for word in _WORD.findall(mention) for form in _forms(word))
    for short_form in dict.fromkeys(form for form in forms if form in defined):
        short, long = re.escape(short_form), re.escape(defined[short_form])
        mention = re.sub(rf"({long}\w*)\s*[(\[]{short}[)\]]", r"\1", mention, flags=re.IGNORECASE)
        mention = re.sub(rf"(?<!\w){short}\W{{1,3}}({long})", r"\1", mention, flags=re.IGNORECASE)
    return _WORD.sub(lambda word: _word_in_full(word[0], defined), mention)


def in_full(mentions: Sequence[Mention]) -> list[Mention]:
    """Each mention as it is to be read: its text in full, as its context defines it; its place in the context stays."""
    defined = {context: definitions(context) for context in {mention.context for mention in mentions}}
    return [replace(mention, text=expand(mention.text, defined[mention.context])) for mention in mentions]


def _word_in_full(word: str, defined: Mapping[str, str]) -> str:
    return next((defined[form] for form in _forms(word) if form in defined), word)


def _forms(word: str) -> tuple[str, str]:
    """As it is, and without the s of a plural."""
    return word, word.removesuffix("s")


def _is_short_form(text: str) -> bool:
    return bool(_SHORT_FORM.fullmatch(text)) and any(map(str.isupper, text))


def _long_form(short_form: str, text: str) -> str:
    """The end of `text` that spells out `short_form`: by its initials, or else the shortest; empty where none does."""
    first, *others = (_without_accent(letter) for letter in short_form.lower() if letter.isalnum())
    plain = _plain(text)
    if len(plain) != len(text):  # a few letters change their number with their case
        return ""
    initials = text.split()[-len(others) - 1 :]
    if (
        others
        and [word[0] for word in plain.split()[-len(initials) :]] == [first, *others]
        and not _is_little(initials[0])
    ):
        return " ".join(initials)
    place = len(text)
    for letter in reversed(others):
        place = plain.rfind(letter, 0, max(place, 0))
    found = [text[plain.rfind(" ", 0, start) + 1 :].strip() for start in _starts(plain, first, place)]
    most = min(len(others) + 6, 2 * len(others) + 2)  # words
    fitting = [
        form
        for form in found
        if len(form) > len(short_form) and len(words := form.split()) <= most and short_form not in words
    ]
    return next((form for form in fitting if not _is_little(form.split()[0])), fitting[0] if fitting else "")


def _starts(plain: str, letter: str, past: int) -> Iterator[int]:
    """Where words begin with a letter, the last before `past` first."""
    place = plain.rfind(letter, 0, max(past, 0))
    while place >= 0:
        if place == 0 or not plain[place - 1].isalnum():
            yield place
        place = plain.rfind(letter, 0, place)


def _is_little(word: str) -> bool:
    return word.lower() in _LITTLE


def _plain(text: str) -> str:
    """In small letters, and without accents where a word begins, each where it stood."""
    lower = text.lower()
    return lower if lower.isascii() else _FIRST.sub(lambda letter: _without_accent(letter[0]), lower)


def _without_accent(letter: str) -> str:
    return _LIGATURES.get(letter) or unicodedata.normalize("NFD", letter)[0]
