"""Mentions that are given: taken as they are, or refused by the very field that is wrong, and never quoted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker import InvalidInput
from linker.corpus import read_given
from linker.detection.detector import Span
from linker.detection.given import spans_of
from linker.notes import Note

TEXT = "Breast or ovarian cancer, no Asthma"


def at(begin: object, end: object, **more: object) -> dict[str, object]:
    return {"begin": begin, "end": end, **more}


@given(st.text(min_size=1), st.data())
def test_places_are_taken_as_they_are_in_their_order_in_the_note(text: str, data: st.DataObject) -> None:
    place = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).filter(lambda ends: ends[0] < ends[1])
    places = data.draw(st.lists(place))
    mentions = [at(begin, end, mention=text[begin:end], gold=["D1"]) for begin, end in places]
    assert spans_of(mentions, text, field="mentions") == tuple(sorted(Span((place,)) for place in places))


def test_mentions_of_several_pieces_may_share_words() -> None:
    first = at(0, 24, pieces=[[0, 6], [18, 24]], mention="Breast cancer")
    second = at(10, 24, mention="ovarian\ncancer")
    as_objects = {**first, "pieces": [at(0, 6), at(18, 24)]}
    expected = (Span(((0, 6), (18, 24))), Span(((10, 24),)))
    assert spans_of([first, second], TEXT, field="") == spans_of([as_objects, second], TEXT, field="") == expected
    composite = at(0, 24, mention="breast cancer|ovarian cancer", composite=True)
    assert spans_of([composite], TEXT, field="") == (Span(((0, 24),)),)


@pytest.mark.parametrize(
    ("mentions", "said"),
    [
        (None, "m: expected a list of mentions, got nothing"),
        ({}, "m: expected a list of mentions, got dict"),
        (["Asthma"], "m[0]: expected an object with begin and end, got str"),
        ([{}], "m[0].begin: expected an integer, got nothing"),
        ([at(0, "6")], "m[0].end: expected an integer, got str"),
        ([at(0, 6.0)], "m[0].end: expected an integer, got float"),
        ([at(False, True)], "m[0].begin: expected an integer, got bool"),
        ([at(0, 6), at(29, 36)], "m[1]: expected pieces in order within 0..35 (code points), got 29..36"),
        ([at(-1, 6)], "m[0]: expected pieces in order within 0..35 (code points), got -1..6"),
        ([at(6, 6)], "m[0]: expected pieces in order within 0..35 (code points), got 6..6"),
        ([at(0, 9, pieces=3)], "m[0].pieces: expected a list, got int"),
        ([at(0, 9, pieces=[[0, 1, 2]])], "m[0].pieces[0]: expected begin and end, got list"),
        ([at(0, 9, pieces=[[3, 6], [0, 2]])], "m[0]: expected pieces in order within 0..35"),
        ([at(26, 35, mention="Asthma")], "m[0].mention: is not what the note has there"),
    ],
)
def test_what_is_wrong_is_told_by_its_field_and_not_quoted(mentions: object, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        spans_of(mentions, TEXT, field="m")
    assert str(caught.value).startswith(said)
    assert "sthma" not in str(caught.value)


def write(file: Path, *lines: object) -> Path:
    file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return file


def test_lines_of_a_corpus_are_notes_with_mentions(tmp_path: Path) -> None:
    one = {"doc_id": 1, "text": TEXT, "mentions": [at(29, 35, mention="Asthma", gold=["D1"])]}
    file = write(tmp_path / "gold.jsonl", one, {"doc_id": "2", "text": None, "mentions": [at(0, 2)]})
    assert read_given(file, {"2": "MI"}) == {"2": Note("MI", (Span(((0, 2),)),))}
    assert read_given(file, {"1": TEXT})["1"].spans == (Span(((29, 35),)),)
    with pytest.raises(InvalidInput, match=r"gold.jsonl:2: text: expected the text of the note"):
        read_given(file, {})


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "spans.jsonl:2: expected a JSON object with doc_id, text and mentions"),
        ({"doc_id": "a"}, "spans.jsonl:2: expected a JSON object with doc_id, text and mentions"),
        ({"doc_id": "b", "mentions": []}, "spans.jsonl:2: doc_id: a second line of one note"),
        (
            {"doc_id": "a", "mentions": [at(29, 36)]},
            "spans.jsonl:2: mentions[0]: expected pieces in order within 0..35",
        ),
        ({"doc_id": "a", "text": "Breast", "mentions": []}, "spans.jsonl:2: text: is not the text of the note"),
        ({"doc_id": "c", "mentions": []}, 'spans.jsonl: expected a line with "doc_id": "a", found none'),
    ],
)
def test_what_is_wrong_has_its_file_line_and_field(tmp_path: Path, line: object, said: str) -> None:
    file = write(tmp_path / "spans.jsonl", {"doc_id": "b", "mentions": []}, line)
    with pytest.raises(InvalidInput) as caught:
        read_given(file, {"b": "", "a": TEXT})
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(said)


def test_the_command_links_what_it_is_given(run: Callable, bundle: Path, tmp_path: Path) -> None:
    note, spans = tmp_path / "note.txt", tmp_path / "spans.jsonl"
    note.write_text("No asthma, MI. zzz")
    write(
        spans, {"doc_id": str(note), "mentions": [at(3, 9), at(15, 18)]}, {"doc_id": "x", "text": "MI", "mentions": []}
    )
    done = run("annotate", "-b", bundle, "--json", "--spans", spans, note)
    assert [(row["begin"], row["outcome"]) for row in done.rows[0]["mentions"]] == [(3, "match"), (15, "no_match")]
    assert (
        run("annotate", "-b", bundle, "--json", "--spans", write(spans, done.out.replace("note_id", "doc_id")), note)
        == done
    )
    write(spans, {"doc_id": "stdin", "mentions": [at(0, 2)]}, {"doc_id": "x", "text": "MI", "mentions": [at(0, 2)]})
    done = run("annotate", "-b", bundle, "--json", "--spans", spans, "-", stdin=b"MI, asthma")
    assert [mention["mention"] for mention in done.rows[0]["mentions"]] == ["MI"]
    write(spans, {"doc_id": "x", "text": "MI", "mentions": [at(0, 2)]}, {"doc_id": "y", "text": "MI", "mentions": []})
    done = run("annotate", "-b", bundle, "--json", "--spans", spans)
    assert [(row["note_id"], len(row["mentions"])) for row in done.rows] == [("x", 1), ("y", 0)]
    assert "FILE: expected at least one" in run("annotate", "-b", bundle).err
    assert "--spans: mentions are given" in run("annotate", "-b", bundle, "--spans", spans, "--detect", "names").err
