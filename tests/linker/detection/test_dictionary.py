"""Names of a bundle are found where they stand, whatever else the note holds."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker import ConceptFilter, Linker
from linker.detection.abbreviated import AbbreviationDetector
from linker.detection.detector import Detector, Span, Union
from linker.detection.dictionary import DictionaryDetector
from linker.detection.given import GivenDetector
from linker.detection.words import words_of
from linker.errors import InvalidInput
from linker.surface import normalise


@pytest.fixture(scope="module")
def detector(linker: Linker) -> DictionaryDetector:
    return DictionaryDetector.of(linker.bundle)


def found(detector: Detector, note: str) -> list[str]:
    return [span.text(note) for span in detector.detect([note])[0]]


@pytest.mark.parametrize(
    ("note", "mentions"),
    [
        ("Known asthma, heart attacks in 2019.", ["asthma", "heart attacks"]),
        ("HEART\r\nATTACK\tof Asthma\U0001f600", ["HEART\r\nATTACK", "Asthma"]),
        ("Type 2 diabetes mellitus", ["Type 2 diabetes mellitus"]),  # not diabetes alone, nor the shorter one
        ("non\u2013Hodgkin\u2019s lymphoma, NOS", ["non\u2013Hodgkin\u2019s lymphoma, NOS"]),
        ("cardiopati\u0301a y asma", ["cardiopati\u0301a", "asma"]),  # a mark of its own
        ("cardiopatia", ["cardiopatia"]),  # without it
        ("asthmatic, preasthma", []),  # whole words alone
        ("[**Asthma 12**] and [**Hospital**]asthma", ["asthma"]),
        ("chest [**Date**] pain", []),  # not over a mark
        ("He felt cold in the chest. Pain was elsewhere", []),  # not over the end of a sentence; `cold` is common
        ("known MI, mi casa", ["MI"]),
        ("THIS NOTE SHOUTS MI AND MORE THAN THAT", []),  # capitals that say nothing
        ("\ufeffasthma\u200b", ["asthma"]),
        ("", []),
        ("\x00" * 50, []),
        ("x" * 5000 + " asthma", ["asthma"]),
    ],
)
def test_what_is_found(detector: DictionaryDetector, note: str, mentions: list[str]) -> None:
    assert found(detector, note) == mentions


@pytest.mark.parametrize(
    ("note", "mentions"),
    [
        ("type 1 or 2 diabetes mellitus", ["type 1 diabetes mellitus", "type 2 diabetes mellitus"]),
        ("type 1 and/or type 2 diabetes mellitus", ["type 1 diabetes mellitus", "type 2 diabetes mellitus"]),
        ("type 1 oder 2 diabetes mellitus", ["type 1 diabetes mellitus", "type 2 diabetes mellitus"]),
        ("type 1 et 2 diabetes mellitus", ["type 1 diabetes mellitus", "type 2 diabetes mellitus"]),
        ("asthma and chest pain", ["asthma", "chest pain"]),
        ("chest or type 2 diabetes mellitus", ["type 2 diabetes mellitus"]),
    ],
)
def test_coordinations_are_names_and_never_guesses(
    detector: DictionaryDetector, note: str, mentions: list[str]
) -> None:
    assert sorted(found(detector, note)) == mentions


def test_the_pieces_of_a_coordination_are_its_own_words(detector: DictionaryDetector) -> None:
    first, second = detector.detect(["type 1 or 2 diabetes mellitus"])[0]
    assert first.pieces == ((0, 6), (12, 29))
    assert second.pieces == ((0, 4), (10, 29))


def test_lists_share_their_last_words(build_bundle) -> None:
    names = ["breast cancer", "ovarian cancer", "colon cancer", "hepatitis A", "hepatitis B", "hepatitis C"]
    made = build_bundle("concept_id\tname\n" + "".join(f"C:{n}\t{name}\n" for n, name in enumerate(names)))
    detector = DictionaryDetector.of(made.bundle)
    assert found(detector, "breast, ovarian and colon cancer") == [
        "breast cancer",
        "ovarian cancer",
        "colon cancer",
    ]
    assert found(detector, "hepatitis A, B and C") == ["hepatitis A", "hepatitis B", "hepatitis C"]
    assert found(detector, "cáncer de breast o ovarian cancer") == ["breast cancer", "ovarian cancer"]
    assert found(detector, "breast, and a cancer") == []


@pytest.mark.parametrize(
    ("note", "mentions"),
    [
        ("lung disease (LD).", ["lung disease", "LD"]),  # what is in the bracket is a mention itself
        ("anemia (type 2), worse", ["anemia (type 2)"]),  # it is none, and belongs to the name
        ("anemia [type 2]", ["anemia [type 2]"]),
        ("anemia (type 2 of late)", ["anemia"]),  # a name that would cut a bracket in two
        ("(anemia) type 2", ["anemia"]),
        ("(anemia type 2)", ["anemia type 2"]),
        ("oxo(2)pentane", ["oxo(2)pentane"]),
    ],
)
def test_no_name_cuts_a_bracket_in_two(build_bundle, note: str, mentions: list[str]) -> None:
    rows = ["1\tlung disease", "1\tLD", "1\tlung disease LD", "2\tanemia", "3\tanemia, type 2", "4\toxo-2-pentane"]
    made = build_bundle("concept_id\tname\n" + "".join(f"C:{row}\n" for row in rows))
    assert found(DictionaryDetector.of(made.bundle), note) == mentions


def test_a_filter_leaves_names_out(linker: Linker) -> None:
    substances = DictionaryDetector.of(linker.bundle, wanted=ConceptFilter(frozenset({"substance"})))
    assert found(substances, "metformin for asthma") == ["metformin"]


def test_words_that_many_names_use_are_no_mentions(build_bundle) -> None:
    rows = "".join(f"C:{n}\tgrade {n} swelling\n" for n in range(100))
    detector = DictionaryDetector.of(build_bundle(f"concept_id\tname\nC:s\tswelling\nC:t\ttorsion\n{rows}").bundle)
    assert found(detector, "swelling, torsion, grade 7 swelling") == ["torsion", "grade 7 swelling"]


def test_defined_short_forms_are_mentions_all_over_the_note(detector: DictionaryDetector) -> None:
    note = "Type 2 diabetes mellitus (TD), TDs; mitosis index (MI) high, MI low, known TD."
    assert found(AbbreviationDetector(detector), note) == ["Type 2 diabetes mellitus", "TD", "TDs", "TD"]


def test_given_spans_are_given_back_or_refused() -> None:
    span = Span(((0, 2), (4, 5)))
    assert GivenDetector([[span]]).detect(["abcde"]) == [[span]]
    with pytest.raises(InvalidInput, match=r"spans\[0\]\[0\]"):
        GivenDetector([[span]]).detect(["abcd"])
    with pytest.raises(InvalidInput, match="2 notes"):
        GivenDetector([[span]]).detect(["abcde", ""])


def test_the_longest_of_several_detectors_stays(detector: DictionaryDetector) -> None:
    longer = GivenDetector([[Span(((0, 13),))]])
    assert found(Union([detector, longer]), "severe asthma and asthma") == ["severe asthma", "asthma"]


WORDS = "asthma heart attack type 2 1 or , diabetes mellitus MI ( ) [**x [** **] ´ 糖 . ß ½ é"
pieces = st.sampled_from([*WORDS.split(), " ", "\r\n", "\t"])
notes = st.lists(pieces, max_size=30).map("".join) | st.text(max_size=60)


@given(notes)
def test_words_are_what_normalisation_makes_of_a_note(note: str) -> None:
    if "[**" not in note:
        forms = "".join(word.form for word in words_of(note))
        assert forms == "".join(normalise(note).split()) or not note.isascii()


@given(notes)
def test_spans_lie_in_the_note_sorted_and_are_names(detector: DictionaryDetector, note: str) -> None:
    spans = detector.detect([note])[0]
    assert spans == sorted(spans)
    for span in spans:
        assert all(0 <= begin < end <= len(note) for begin, end in span.pieces)
        assert detector.is_name(normalise(span.text(note)))
        assert "[**" not in note or "**]" not in span.text(note)
    whole = [span for span in spans if len(span.pieces) == 1]
    assert all(one.end <= other.begin for one, other in pairwise(whole))


@given(st.lists(notes, max_size=4))
def test_a_note_is_read_the_same_beside_others(detector: DictionaryDetector, batch: list[str]) -> None:
    assert detector.detect(batch) == [detector.detect([note])[0] for note in batch]
