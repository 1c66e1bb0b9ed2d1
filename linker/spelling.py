"""British and American spelling of medical English, as rules on letters in their place: "oedema" is "edema".

The rules are written by hand, not taken from a list: the digraphs ae and oe of Greek and Latin stems, -our, -re, -ise,
leuco-, sulph-, aluminium. They know stems, not words, so that "haemoglobinuria" needs no entry; "academia", "systemic"
and "poem" keep their letters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial


@dataclass(frozen=True, slots=True)
class _Rule:
    """british, american: what stands where letters differ, each found in its place only."""

    british: str
    american: str
    british_form: re.Pattern[str]
    american_form: re.Pattern[str]


_RULES = tuple(  # where it stands, _ for the letters; British; American
    _Rule(
        british,
        american,
        re.compile(place.replace("_", british), re.IGNORECASE),
        re.compile(place.replace("_", american), re.IGNORECASE),
    )
    for place, british, american in (
        (r"(?<!acad)(?<!epid)(?<!end)(?<!syst)(?<!pol)_(?=(?:ia|ias|ic)\b)", "aem", "em"),
        (r"(?<![ct]h)(?<=h)_(?=at|orr|oglo|oly|oph|ang|ost|odi|opt|oth|och|ody|oper)", "aem", "em"),
        (r"_(?=dema)|\b_(?=sophag|str[oaiu])|(?<=\bf)_(?=tus|tal|to)|(?<=\bc)_(?=lia)", "oe", "e"),
        (r"(?<=rrh)_(?=[ai])|(?<=pn)_(?=[ai])|(?<=hom)_(?=o)|(?<=\bam)_(?=b)", "oe", "e"),
        (r"(?<=\bp)_(?=diatr)|(?<=orthop)_(?=d)|_(?=sthe[st])|(?<=leuk)_(?=m)|(?<=gyn)_(?=c)", "ae", "e"),
        (r"(?<=\bc)_(?=c|sar)|(?<=\bn)_(?=v(?:us|i|oid)\b)|(?<=\bf)_(?=c(?:al|es)\b)", "ae", "e"),
        (r"\b_(?=tiolog)|(?<=\bph)_(?=ochrom)|(?<=\bpal)_(?=o)", "ae", "e"),
        (
            r"(?<=tum)_(?!al)|(?<=behavi)_|(?<=\bmalod)_|(?<=\bcol)_(?!ect|ad)|(?<=\blab)_\b|(?<=\bhum)_(?!al)",
            "our",
            "or",
        ),
        (r"(?<=\bfib)_\b|(?<=goit)_\b|(?<=\bcent)_\b|(?<=\blit)_\b", "re", "er"),
        (r"(?<=ali|eri|iti|ini|uni|ari|ori|ani|ati|oli|ili)(?<!\bari)_(?=e[ds]?\b|ing\b|ation)", "s", "z"),
        (r"(?<=\bleu)_(?=o)", "c", "k"),
        (r"(?<=\bsul)_|(?<=disul)_", "ph", "f"),
        (r"(?<=\balumin)_", "ium", "um"),
    )
)


def american(text: str) -> str:
    """`text` in American spelling, its capitals kept.

    >>> american("Haematuria and oedema"), american("academic")
    ('Hematuria and edema', 'academic')
    """
    letters = text.lower()
    for rule in _RULES:
        if rule.british in letters:  # nearly always says no, and is far quicker than a pattern
            text = rule.british_form.sub(partial(_cased_as, rule.american), text)
    return text


def british(text: str) -> str:
    """`text` in British spelling, its capitals kept.

    >>> british("Leukemia"), british("diarrhea"), british("tumor")
    ('Leukaemia', 'diarrhoea', 'tumour')
    """
    for rule in _RULES:
        text = rule.american_form.sub(partial(_cased_as, rule.british), text)
    return text


def cased(like: str, text: str) -> str:
    """`text` in capitals or capitalised where `like` is."""
    if len(like) > 1 and like.isupper():
        return text.upper()
    return text[:1].upper() + text[1:] if like[:1].isupper() else text


def _cased_as(letters: str, found: re.Match[str]) -> str:
    return cased(found[0], letters)
