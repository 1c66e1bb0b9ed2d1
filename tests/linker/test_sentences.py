"""A note is cut where nothing reaches over."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from linker.annotation import Annotator
from linker.detection.choice import Detect
from linker.notes import Note
from linker.pipeline import Linker
from linker.sentences import passages, sentences

PIECES = [
    "No asthma. ",
    "MI ",
    "\n",
    "\n\n",
    " \t\r\n",
    "[**a\n\nb**]",
    "x" * 900,
    "PMH:",
    "a (MI) ",
    "\U0001f600",
    "?! ",
]
notes = st.lists(st.sampled_from(PIECES), max_size=60).map(lambda pieces: "".join(pieces) * 8)


@given(notes)
def test_passages_are_the_note(note: str) -> None:
    places = list(passages(note))
    assert "".join(note[begin:end] for begin, end in places) == note
    assert all(0 < end - begin <= 2000 for begin, end in places)
    assert all(one[1] == other[0] for one, other in pairwise(places))
    assert len(places) == 1 or len(note) > 2000 or not note
    for _, end in places[:-1]:
        mark = note.rfind("[**", 0, end)
        assert mark < 0 or note.find("**]", mark) < end - 2, "a mark was cut"


def test_where_a_note_is_cut() -> None:
    for text in ("a b.\n\nC d. ", "a b.\r\n \r\nC d. ", "a b. C d ", "a b c d ", "abcd"):
        note = text * 1000
        (_, end), *_ = passages(note)
        assert 1000 < end <= 2000
        if "\n" in text:
            assert note[:end].endswith("\n")
        elif "." in text:
            assert note[:end].endswith(". ")


@given(notes)
def test_sentences_are_the_note(note: str) -> None:
    assert "".join(note[begin:end] for begin, end in sentences(note)) == note


def test_parts_cut_at_blank_lines_give_what_the_whole_gives(linker: Linker) -> None:
    lines = [
        f"{n}. No asthma, known MI (TD) and heart attack; metformin {n}, type 1 or 2 diabetes mellitus."
        for n in range(99)
    ]
    note = "type 2 diabetes mellitus (TD)\n\nFH:\n" + "\n\n".join(lines)
    annotator = Annotator(linker, detect=Detect.NAMES)
    assert len(annotator.parts(Note(note))) > 2
    whole = annotator.detector().detect([note])[0]
    assert [m.span for (annotated,) in [annotator.annotate([note])] for m in annotated.mentions] == whole
