"""Projection: mentions that are located in a translation are kept, what would be a guess is dropped and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

from linker.corpus import GoldMention, GoldNote
from linker.errors import InvalidInput
from linker.records import Mention
from training.weak.corpus import WeakCorpus
from training.weak.projection import EMPTY, FOUND_TWICE, NIL, NO_PLACE, NOT_FOUND, SCATTERED, SHARED, ByProjection
from training.weak.translator import Translation

WORDS = {"fever": "fiebre", "and": "y", "renal": "renal", "failure": "fallo", "kidney": "riñón", "no": "sin"}


def note(text: str, *mentions: tuple[str, str]) -> GoldNote:
    """A note with each mention where it stands first; "" is the id of none."""
    found = []
    for surface, gold in mentions:
        begin = text.index(surface)
        part = Mention(surface, text, begin, begin + len(surface))
        found.append(GoldMention("n", (part,), frozenset({gold} - {""})))
    return GoldNote("n", text, tuple(found))


def dictionary(texts: Sequence[str]) -> list[Translation]:
    """Word by word; what is no word of it stays."""
    return [
        Translation(" ".join(WORDS.get(word.strip(".,").lower(), word.strip(".")) for word in text.split()))
        for text in texts
    ]


def says(table: Mapping[str, Translation]) -> Callable[[Sequence[str]], list[Translation]]:
    return lambda texts: [table.get(text, Translation(text)) for text in texts]


def project(
    notes: Sequence[GoldNote], translate: Callable[[Sequence[str]], list[Translation]] = dictionary
) -> WeakCorpus:
    return ByProjection(notes, translate, translator="t:t", language="es").corpus()


def located(corpus: WeakCorpus) -> list[tuple[str, str]]:
    found = []
    for each in corpus.notes:
        for mention in each.mentions:
            (part,) = mention.parts
            part.check()
            found.append((part.text, *mention.gold))
    return found


def test_a_mention_is_found_again_in_its_sentence_only() -> None:
    corpus = project([note("Fever and cough. No renal failure since.", ("Fever", "X:1"), ("renal failure", "X:2"))])
    assert located(corpus) == [("fiebre", "X:1"), ("renal fallo", "X:2")]
    assert [one.text for one in corpus.notes] == ["fiebre y cough", "sin renal fallo since"]
    assert corpus.left_out == {}


@pytest.mark.parametrize(
    ("text", "mention", "translated", "alone", "why"),
    [
        ("A cold sweat.", "cold", "Un sudor frío.", "resfriado", NOT_FOUND),
        ("Pain, more pain.", "Pain", "Dolor, más dolor.", "dolor", FOUND_TWICE),
        ("Pain.", "Pain", "Dolor.", " ", EMPTY),
        ("Pain.", "Pain", "", "dolor", EMPTY),
        ("A pain.", "pain", "Un doloroso día.", "dolor", NOT_FOUND),
    ],
)
def test_what_would_be_a_guess_is_dropped(text: str, mention: str, translated: str, alone: str, why: str) -> None:
    table = {text: Translation(translated.strip()), mention: Translation(alone.strip())}
    corpus = project([note(text, (mention, "X:1"))], says(table))
    assert located(corpus) == []
    assert corpus.left_out == {why: 1}


def test_mentions_of_one_place_and_those_without_one_are_dropped() -> None:
    two = note("Fever or pyrexia.", ("Fever", "X:1"), ("pyrexia", "X:2"))
    table = {"Fever or pyrexia.": Translation("Fiebre."), "Fever": Translation("fiebre"),
             "pyrexia": Translation("fiebre")}  # fmt: skip
    assert project([two], says(table)).left_out == {SHARED: 2}
    parts = GoldMention("n", (Mention("a"), Mention("b")), frozenset({"X:1"}))
    across = note("Renal\n\nfailure", ("Renal\n\nfailure", "X:1"))
    nil = note("Fever.", ("Fever", ""))
    corpus = project([GoldNote("n", "a b", (parts,)), across, nil])
    assert located(corpus) == []
    assert corpus.left_out == {NO_PLACE: 2, NIL: 1}


@pytest.mark.parametrize(
    ("links", "expected", "why"),
    [
        ("0-0 1-2 2-1 3-3", [("fallo renal", "X:1")], None),
        ("0-0 1-1 2-3 3-2", [], SCATTERED),
        ("0-0 3-3", [], NOT_FOUND),
        ("0-0 1-9 2-8", [], NOT_FOUND),
        ("0-0 1-3 2-1", [("fallo renal agudo", "X:1")], None),  # a word from nowhere between them is theirs
    ],
)
def test_an_alignment_says_where_a_mention_went(links: str, expected: list[tuple[str, str]], why: str | None) -> None:
    text = "No renal failure, acute."
    pairs = tuple((int(one), int(other)) for one, other in (link.split("-") for link in links.split()))
    corpus = project([note(text, ("renal failure", "X:1"))], says({text: Translation("Sin fallo renal agudo,", pairs)}))
    assert located(corpus) == expected
    assert corpus.left_out == ({why: 1} if why else {})


def test_a_translation_into_another_script_is_refused() -> None:
    with pytest.raises(InvalidInput, match="translator t:t: 0% of its letters are Latin"):
        project([note("Fever.", ("Fever", "X:1"))], lambda texts: [Translation("лихорадка")] * len(texts))
