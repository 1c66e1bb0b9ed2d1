from __future__ import annotations

import io
import json
import os
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker import InvalidInput, Linker, Mention
from linker.jsonlines import link_line, read_mentions


def read(raw: bytes) -> list[Mention]:
    return [mention for batch in read_mentions(io.BytesIO(raw), "stdin") for mention in batch]


@given(st.lists(st.text()), st.sampled_from([b"\n", b"\r\n", b"\n\n"]))
def test_reads_back_what_was_written(texts: list[str], end: bytes) -> None:
    raw = b"".join(json.dumps({"mention": text}).encode() + end for text in texts)
    assert [m.text for m in read(raw)] == texts
    assert [m.text for m in read(raw.rstrip(b"\r\n"))] == texts


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (b"{", "stdin:2:"),
        (b"[]", "stdin:2:"),
        (b"null", "stdin:2:"),
        (b"\xff\xfe", "stdin:2:"),
        (b"[" * 100_000, "stdin:2:"),
        (b"{}", "stdin:2: mention"),
        (b'{"mention": null}', "stdin:2: mention"),
        (b'{"mention": 3}', "stdin:2: mention"),
        (b'{"mention": "a", "context": []}', "stdin:2: context"),
        (b'{"mention": "a", "context": "a", "begin": "0", "end": 1}', "stdin:2: begin"),
        (b'{"mention": "a", "context": "a", "begin": 0, "end": true}', "stdin:2: end"),
        (b'{"mention": "a", "context": "a", "begin": 0, "end": 7}', "stdin:2.begin"),
        (b'{"mention": "SECRET", "context": "something", "begin": 0, "end": 6}', "stdin:2.begin"),
    ],
)
def test_a_bad_line_is_named_after_the_good_ones(line: bytes, place: str) -> None:
    batches = read_mentions(io.BytesIO(b'{"mention": "first"}\n' + line + b"\n"), "stdin")
    assert [m.text for m in next(batches)] == ["first"]
    with pytest.raises(InvalidInput) as caught:
        next(batches)
    assert str(caught.value).startswith(place)
    assert "SECRET" not in str(caught.value)


def test_an_answer_does_not_wait_for_more_lines() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as sink:
        batches = read_mentions(stream, "pipe")
        threading.Timer(0.05, sink.write, [b'{"mention": "one"}\n']).start()
        assert [m.text for m in next(batches)] == ["one"]


def test_a_line_holds_what_is_promised(linker: Linker) -> None:
    rows = [json.loads(link_line(link)) for link in linker.link(["heart attack", "MI", "", "\ud800"])]
    assert [row["outcome"] for row in rows] == ["match", "no_match", "no_match", "no_match"]
    assert "reason" not in rows[0]
    assert [row["reason"] for row in rows[1:3]] == ["ambiguous", "no_candidate"]
    assert rows[0]["mention"] == "heart attack"
    best = rows[0]["candidates"][0]
    assert best["concept_id"] == "CLINIC:0003"
    assert best["preferred_name"] == "Myocardial infarction"
    assert best["matched_name"] == "Heart attack"
    assert best["source"] == "exact"
    assert best["similarity"] == 1.0
    assert best["rerank_score"] is None
    assert 0 <= best["confidence"] <= 1
    assert {"system": "DEMO", "code": "H1", "relation": "skos:exactMatch", "source": "clinic"} in best["codes"]
    assert len(rows[1]["candidates"]) == 5  # best first, also when it is no match
