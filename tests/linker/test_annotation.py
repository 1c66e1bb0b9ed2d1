"""A note in, its mentions out: each with link, section and assertion, and the note as it was."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker import ConceptFilter, InvalidInput, Linker, Options
from linker.annotation import AnnotatedNote, Annotator
from linker.assertion import Triggers
from linker.detection.detector import Span
from linker.detection.given import GivenDetector
from linker.jsonlines import annotated_line
from linker.notes import Note
from linker.offsets import Offsets, OffsetUnit
from linker.records import Assertion
from linker.rendering import coloured, page, pieces
from linker.rules import TRIGGERS

NOTE = (
    "PMH: asthma\r\nHPI:\tno chest pain \U0001f600, possible heart attack. Type 2 diabetes mellitus (TD).\r\n"
    "FH: type 1 or 2 diabetes mellitus, TD\r\n[**Asthma**] <script>alert(1)</script> & MI\r\n"
)


@pytest.fixture(scope="module")
def annotator(linker: Linker) -> Annotator:
    return Annotator(linker)


SPANISH = "Paciente con MI. Los problemas son asthma y dolor.\nAF: asthma"


@pytest.fixture(scope="module")
def note(annotator: Annotator) -> AnnotatedNote:
    return annotator.annotate([NOTE])[0]


def test_what_is_known_of_each_mention(note: AnnotatedNote) -> None:
    found = [(m.span.text(NOTE), m.link.candidates[0].concept_id, set(m.assertions), m.section) for m in note.mentions]
    historical, family = {Assertion.HISTORICAL}, {Assertion.FAMILY}
    hpi, fh = "history_of_present_illness", "family_history"
    assert found == [
        ("asthma", "CLINIC:0015", historical, "past_medical_history"),
        ("chest pain", "CLINIC:0010", {Assertion.NEGATED}, hpi),
        ("heart attack", "CLINIC:0003", {Assertion.UNCERTAIN}, hpi),
        ("Type 2 diabetes mellitus", "CLINIC:0008", set(), hpi),
        ("TD", "CLINIC:0008", set(), hpi),
        ("type 1 diabetes mellitus", "CLINIC:0009", family, fh),
        ("type 2 diabetes mellitus", "CLINIC:0008", family, fh),
        ("TD", "CLINIC:0008", family, fh),
        ("MI", "CLINIC:0003", family, fh),
    ]
    assert note.text == NOTE
    assert [m.link.expansion for m in note.mentions if m.span.text(NOTE) == "TD"] == ["Type 2 diabetes mellitus"] * 2


def test_an_answer_does_not_depend_on_other_notes(annotator: Annotator, note: AnnotatedNote) -> None:
    assert annotator.annotate(["asthma", NOTE, "", NOTE])[1] == note
    assert annotator.annotate([]) == []


def test_it_says_how_far_it_has_come(annotator: Annotator) -> None:
    long = f"{NOTE}\n\n" * 400
    advanced: list[int] = []
    (read, _) = annotator.annotate([long, NOTE], advance=advanced.append)
    assert sum(advanced) == len(long) + len(NOTE)
    assert len(advanced) > 1
    assert max(advanced) < 70_000
    assert len(read.mentions) > 400


def test_links_are_those_of_the_linker(linker: Linker, note: AnnotatedNote) -> None:
    assert [m.link for m in note.mentions] == linker.link([m.link.mention for m in note.mentions])


def said(note: AnnotatedNote) -> list[set[str]]:
    return [set(m.assertions) for m in note.mentions]


def test_a_note_is_read_by_the_rules_of_its_language(annotator: Annotator) -> None:
    detected, given_, english, both = annotator.annotate(
        [SPANISH, *(Note(SPANISH, language=tag) for tag in ("es-MX", "en", "und"))]
    )
    assert [n.language for n in (detected, given_, english, both)] == ["es", "es-MX", "en", "und"]
    assert said(detected) == said(given_) == [set(), set(), {"family"}]
    assert said(english) == [set(), {"family"}, set()]  # "son", and AF is no header
    assert said(both) == [set(), {"family"}, {"family"}]


def test_languages_of_rules_and_of_names_are_detected(annotator: Annotator) -> None:
    german, french, spanish = "Kein Anhalt für eine Lungenentzündung.", "Pas de fièvre ni de toux.", SPANISH
    assert {"de", "fr"}.isdisjoint(annotator.linker.bundle.manifest.languages)
    found = annotator.annotate([german, french, spanish])
    assert [note.language for note in found] == ["de", "fr", "es"]
    only_english = Annotator(annotator.linker, triggers=Triggers(p for p in TRIGGERS if p.stem == "en"))
    assert only_english.annotate([spanish])[0].language == "es"  # the bundle has Spanish names


def test_a_language_without_rules_is_told(annotator: Annotator) -> None:
    (portuguese,) = annotator.annotate([Note("No asthma. PMH: MI", language="pt-BR")])
    assert (portuguese.language, portuguese.without_rules) == ("pt-BR", True)
    assert said(portuguese)[0] == set()
    assert not any(note.without_rules for note in annotator.annotate(["No asthma.", NOTE, SPANISH, ""]))


@pytest.mark.parametrize(
    ("note", "field"),
    [
        (Note("", language="spanish"), r"notes\[1\].language: expected a language tag"),
        (Note("abc", (Span(((2, 9),)),)), r"notes\[1\].spans\[0\]: expected pieces"),
    ],
)
def test_what_a_note_says_of_itself_is_checked(annotator: Annotator, note: Note, field: str) -> None:
    with pytest.raises(InvalidInput, match=field):
        annotator.annotate(["asthma", note])


def test_spans_of_a_note_are_linked_in_place_of_what_would_be_found(linker: Linker, annotator: Annotator) -> None:
    spans = (Span(((11, 17),)), Span(((0, 5),)))
    (known,) = annotator.annotate([Note("asthm, MI, asthma", spans)])
    assert [m.span for m in known.mentions] == sorted(spans)
    assert known == Annotator(linker, detector=GivenDetector([spans])).annotate([known.text])[0]


def test_a_filter_and_given_spans(linker: Linker, annotator: Annotator) -> None:
    (only,) = annotator.annotate(["metformin, asthma"], Options(filter=ConceptFilter(frozenset({"substance"}))))
    assert [m.link.concept.concept_id for m in only.mentions if m.link.concept] == ["CLINIC:0007"]
    given_ = Annotator(linker, detector=GivenDetector([[Span(((0, 5),))]]))
    assert [m.link.mention.text for m in given_.annotate(["asthm, asthma"])[0].mentions] == ["asthm"]
    with pytest.raises(InvalidInput, match="top_k"):
        annotator.annotate([""], Options(top_k=0))


@pytest.mark.parametrize(("unit", "encoding", "width"), [("utf16", "utf-16-le", 2), ("utf8", "utf-8", 1)])
@given(text=st.text(st.characters(exclude_categories=["Cs"])), place=st.integers(0, 60))
def test_offsets_count_what_the_encoding_does(unit: str, encoding: str, width: int, text: str, place: int) -> None:
    place = min(place, len(text))
    assert Offsets(text, OffsetUnit(unit)).of(place) == len(text[:place].encode(encoding)) // width
    assert Offsets(text, OffsetUnit.CODE_POINTS).of(place) == place


def test_json_has_places_in_the_unit_asked_for(note: AnnotatedNote) -> None:
    row = json.loads(annotated_line(note, "n1", OffsetUnit.UTF16))
    raw = NOTE.encode("utf-16-le")
    assert (row["note_id"], row["language"], "without_rules" in row) == ("n1", "en", False)
    for mention in row["mentions"]:
        parts = mention.get("pieces", [[mention["begin"], mention["end"]]])
        assert " ".join(raw[2 * b : 2 * e].decode("utf-16-le") for b, e in parts) == mention["mention"]
    assert [m["assertions"] for m in row["mentions"]][:3] == [["historical"], ["negated"], ["uncertain"]]


def test_a_rendered_note_is_the_note(note: AnnotatedNote) -> None:
    assert coloured(note).plain == NOTE.replace("\r", "")  # which a terminal would go back on
    assert "".join(part for part, _ in pieces(note)) == NOTE


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "article" in self.open and "span" not in self.open:
            self.text += data


@given(text=st.text(max_size=40) | st.just(NOTE) | st.just("</mark></article><script>asthma\x00\ud800"))
def test_a_page_holds_the_note_and_no_markup_of_it(annotator: Annotator, text: str) -> None:
    written = page(annotator.annotate([text]))
    reader = _Reader()
    reader.feed(written)
    reader.close()
    assert not reader.open
    assert {"script", "img", "a", "link"}.isdisjoint(reader.tags)
    assert "http" not in page([]).replace("http-equiv", "")
    if text.isprintable():
        assert reader.text == text


def test_the_command(run, bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    file.write_bytes(NOTE.encode())
    shown = run("annotate", "-b", bundle, file)
    assert "heart attack · Myocardial infarction [CLINIC:0003] · confidence" in shown.out
    lines = run("annotate", "-b", bundle, "--json", file, "-", stdin=b"no asthma")
    assert [row["note_id"] for row in lines.rows] == [str(file), "stdin"]
    assert lines.rows[1]["mentions"][0]["assertions"] == ["negated"]
    stated = run("annotate", "-b", bundle, "--json", "--note-language", "pt", file, "-", stdin=b"no asthma")
    assert [(row["language"], row["without_rules"]) for row in stated.rows] == [("pt", True)] * 2
    assert stated.rows[1]["mentions"][0]["assertions"] == []
    assert stated.err.count("no rules of assertion for pt, only for de, en, es, fr") == 1
    target = tmp_path / "page.html"
    assert run("annotate", "-b", bundle, "--html", target, file).code == 0
    assert "CLINIC:0003" in target.read_text()
    assert run("annotate", "-b", bundle, "--html", "-", file).out == target.read_text()


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (("nowhere.txt",), b"", "nowhere.txt: cannot be read: No such file"),
        (("-",), b"ab\xff", "expected UTF-8, found byte 0xff at 2"),
        (("--rules", "none.toml", "-"), b"", "none.toml: cannot be read"),
        (("--note-language", "spanish", "-"), b"", "--note-language spanish: expected a language tag"),
        (("-k", "0", "-"), b"", "top_k"),
        (("--html", "/nowhere/page.html", "-"), b"", "/nowhere/page.html: cannot be written"),
    ],
)
def test_bad_input_is_told_in_a_line(run, bundle: Path, arguments: tuple[str, ...], stdin: bytes, said: str) -> None:
    done = run("annotate", "-b", bundle, *arguments, stdin=stdin)
    assert done.code == 2
    assert said in done.err
