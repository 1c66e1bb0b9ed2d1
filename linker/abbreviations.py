"""Abbreviations that a note defines: after "chronic renal failure (CRF)", CRF means just that.

The algorithm of Schwartz and Hearst (A simple algorithm for identifying abbreviation definitions in biomedical text,
PSB 2003): beside a bracket stand a short form and a long form; read from the right, each letter and digit of the short
form is found in the long form, its first at the beginning of a word. Beyond the paper, words whose initials it is
go before any others; a short form has a capital letter, so that "cold sores (mild)" defines nothing; and a definition
does not reach back over a sentence or paragraph.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace

from linker.records import Mention

_BRACKETS = re.compile(r"[(\[]([^()\[\]]{2,150})[)\]]")
_REACH = 300  # characters before a bracket in which its long form is looked for
_BREAK = re.compile(r"[.!?;]\s|\n\s*\n|[()\[\]]")
_ASIDE = re.compile(r"[;,:=]")  # what follows in the bracket is not the short form: "(CRF; n = 12)"
_SHORT_FORM = re.compile(r"[^\W_]\S{1,9}|[^\W_]\S{0,7} \S{1,7}")
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
    letters = [letter for letter in short_form.lower() if letter.isalnum()]
    initials = text.split()[-len(letters) :]
    if len(initials) > 1 and [word[0].lower() for word in initials] == letters:
        return " ".join(initials)
    place, lower = len(text), text.lower()
    if len(lower) != len(text):  # a few letters change their number with their case
        return ""
    for position in range(len(letters) - 1, -1, -1):
        place = lower.rfind(letters[position], 0, place)
        while place > 0 and position == 0 and lower[place - 1].isalnum():
            place = lower.rfind(letters[position], 0, place)
        if place < 0:
            return ""
    long_form = text[lower.rfind(" ", 0, place) + 1 :].strip()
    words = long_form.split()
    fits = len(long_form) > len(short_form) and len(words) <= min(len(letters) + 5, 2 * len(letters))
    return long_form if fits and short_form not in words else ""
