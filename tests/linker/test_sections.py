"""How far a section reaches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker.sections import Headers

HEADERS = Headers()


def sections(note: str, *words: str) -> list[str]:
    """The section that each word stands in."""
    outline = HEADERS.outline(note)
    return [outline.at(note.index(word)).name for word in words]


FH, PMH = "family_history", "past_medical_history"


@pytest.mark.parametrize(
    ("note", "one", "other"),
    [
        # A header with text speaks for its paragraph...
        ("FH: mother had ONE.\n\nHe has OTHER.", FH, ""),
        ("FH: mother had ONE\n \t\r\nOTHER.", FH, ""),
        ("FH: mother had ONE.\nHe has OTHER", FH, ""),
        ("FH: mother had ONE.\r\nHe has OTHER", FH, ""),
        ("FH: ONE in the mother\nHe has OTHER.", FH, ""),
        ("FH: said “ONE?”\nThe OTHER", FH, ""),
        # ...which goes on over wrapped lines and lists.
        ("FH: mother had ONE and\nlater OTHER.", FH, FH),
        ("FH: mother had ONE.\n  father OTHER.", FH, FH),
        ("PMH: ONE\nHypertension\nOTHER\n\n", PMH, PMH),
        ("PMH: 1. ONE.\n2. OTHER.", PMH, PMH),
        ("PMH: ONE.\n- Some OTHER.", PMH, PMH),
        # A header alone lasts to the next one.
        ("Family History\n\nMother had ONE.\n\nFather had OTHER.", FH, FH),
        ("FH:\nONE.\n\nOTHER", FH, FH),
        ("FH:\nONE.\nPMH: OTHER", FH, PMH),
        ("FH: ONE\nPMH: OTHER", FH, PMH),
        ("PMH\nONE.\nFH: mother well.\nHe has OTHER.", PMH, ""),
        ("ONE PMH: OTHER", "", ""),
    ],
)
def test_how_far_a_section_reaches(note: str, one: str, other: str) -> None:
    assert sections(note, "ONE", "OTHER") == [one, other]


lines = st.sampled_from(["He has asthma.", "No fever", "- item one.", "2. item", "wrapped text and", "", " \t"])
blocks = st.lists(st.tuples(st.sampled_from(["FH: ", "FH:\n", "PMH: ", "PMH\n", ""]), st.lists(lines, max_size=5)))


@given(blocks, st.sampled_from(["\n", "\r\n"]))
def test_a_blank_line_ends_what_has_text_beside_its_header(blocks: list[tuple[str, list[str]]], newline: str) -> None:
    note = "\n".join(header + "\n".join(own) for header, own in blocks).replace("\n", newline)
    outline, open_, alone = HEADERS.outline(note), "", False
    place = 0
    for line in note.splitlines(keepends=True):
        header = line.split(":")[0].strip()
        if header in {"FH", "PMH"}:
            open_, alone = (FH if header == "FH" else PMH), not line.partition(":")[2].strip()
        elif not line.strip() and not alone:
            open_ = ""
        last = outline.at(place + len(line) - 1).name
        assert last in {open_, ""}
        assert last == open_ or not alone
        place += len(line)


@given(st.text(max_size=200) | st.lists(lines).map("\n".join))
def test_any_note_has_an_outline(note: str) -> None:
    outline = HEADERS.outline(note)
    for place in range(len(note)):
        assert not (outline.in_header(place) and outline.at(place).name and "\n" not in note)
