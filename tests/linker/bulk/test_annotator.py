"""A batch of notes in, a batch of coded notes out: a row for each note, whatever the note is."""

from __future__ import annotations

import logging
import pickle
from pathlib import Path

import pyarrow as pa
import pytest

from linker.annotation import Annotator
from linker.bulk import annotator as module
from linker.bulk.annotator import BatchAnnotator
from linker.bulk.rows import input_schema, output_schema
from linker.detection.given import GivenDetector
from linker.offsets import OffsetUnit
from linker.pipeline import Linker

NOTE = "PMH: asthma. \U0001f600 No chest pain, type 1 or 2 diabetes mellitus; zzz."


def batch(*texts: str | bytes | None, **kept: list) -> pa.RecordBatch:
    raws = [text.encode() if isinstance(text, str) else text for text in texts]
    schema = input_schema([pa.field(name, pa.array(values).type) for name, values in kept.items()])
    ids, errors = [f"n{row}" for row in range(len(texts))], [None] * len(texts)
    return pa.RecordBatch.from_pydict({"note_id": ids, "text": raws, "error": errors, **kept}, schema)


@pytest.fixture(scope="module")
def annotate(bundle: Path) -> BatchAnnotator:
    return BatchAnnotator(str(bundle))


def test_rows_say_what_annotation_says(annotate: BatchAnnotator, linker: Linker) -> None:
    (row,) = annotate(batch(NOTE)).to_pylist()
    (note,) = Annotator(linker).annotate([NOTE])
    assert row["note_id"] == "n0"
    assert row["error"] is None
    assert len(row["mentions"]) == len(note.mentions) > 3
    for found, mention in zip(row["mentions"], note.mentions, strict=True):
        answer = mention.link.concept
        assert answer is not None
        assert [(p["begin"], p["end"]) for p in found["pieces"]] == list(mention.span.pieces)
        assert " ".join(NOTE[p["begin"] : p["end"]] for p in found["pieces"]) == found["mention"]
        assert (found["begin"], found["end"]) == (mention.span.begin, mention.span.end)
        assert f"{found['vocabulary']}:{found['code']}" == found["concept_id"] == answer.concept_id
        assert found["confidence"] == pytest.approx(answer.confidence)
        assert set(found["assertions"]) == mention.assertions
        assert [(c["system"], c["code"]) for c in found["codes"]] == [(c.system, c.code) for c in answer.codes]
        assert found["nil_reason"] is None


def test_a_nil_mention_has_its_reason_and_no_concept(annotate: BatchAnnotator) -> None:
    (row,) = annotate(batch("MI.")).to_pylist()  # two concepts of that name
    (mention,) = row["mentions"]
    assert mention["nil_reason"] == "ambiguous"
    assert mention["concept_id"] is None
    assert 0 < mention["confidence"] < 1


def test_every_note_has_a_row_and_what_is_none_an_error(annotate: BatchAnnotator) -> None:
    too_long = b"a" * 10_000_001
    kept = {"person_id": [7, 8, None, 10, 11, 12]}
    coded = annotate(batch(None, "", "\0" * 1000, b"asthma \xff", too_long, "asthma", **kept))
    errors = ["no_text", None, None, "not_utf8", "too_long", None]
    assert coded.column("error").to_pylist() == errors
    assert coded.column("note_id").to_pylist() == [f"n{row}" for row in range(6)]
    assert coded.column("person_id").to_pylist() == kept["person_id"]
    assert [len(of) for of in coded.column("mentions").to_pylist()] == [0, 0, 0, 0, 0, 1]
    assert coded.schema == output_schema(batch("", person_id=[1]).schema)


def test_an_answer_does_not_depend_on_the_batch(annotate: BatchAnnotator, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [NOTE, "", "cold", None, "MI " * 300, NOTE]
    together = annotate(batch(*texts)).column("mentions").to_pylist()
    monkeypatch.setattr(module, "_GROUP", 10)
    assert annotate(batch(*texts)).column("mentions").to_pylist() == together
    assert [annotate(batch(text)).column("mentions").to_pylist()[0] for text in texts] == together


SPANISH = "Los problemas del paciente son asthma y MI."


def languages(coded: pa.RecordBatch) -> list[tuple[str | None, bool | None, str | None]]:
    return [(row["language"], row["without_rules"], row["error"]) for row in coded.to_pylist()]


def test_a_column_states_the_language_and_otherwise_it_is_detected(bundle: Path) -> None:
    stated = ["en", "pt-BR", None, "", "es_MX", None]
    texts = [SPANISH] * 5 + [None]
    by_column = BatchAnnotator(str(bundle), language_column="lang")
    coded = by_column(batch(*texts, lang=stated))
    spanish = ("es", False, None)
    assert languages(coded) == [
        ("en", False, None),
        ("pt-BR", True, None),
        spanish,
        spanish,
        (None, None, "bad_language"),
        (None, None, "no_text"),
    ]
    assert coded.column("lang").to_pylist() == stated
    said = [[set(mention["assertions"]) for mention in row["mentions"]] for row in coded.to_pylist()]
    assert said == [[{"family"}] * 2, [set()] * 2, [set()] * 2, [set()] * 2, [], []]
    usual = BatchAnnotator(str(bundle), language_column="lang", language="fr")
    assert [row[0] for row in languages(usual(batch(*texts, lang=stated)))] == ["en", "pt-BR", "fr", "fr", None, None]


def test_a_kept_column_of_that_name_becomes_what_the_note_was_read_as(bundle: Path) -> None:
    notes = batch(SPANISH, SPANISH, language=["en", None])
    coded = BatchAnnotator(str(bundle), language_column="language")(notes)
    assert coded.schema.names.count("language") == 1
    assert [row[0] for row in languages(coded)] == ["en", "es"]


def test_terms_are_too_short_to_have_a_language_detected(bundle: Path) -> None:
    terms = BatchAnnotator(str(bundle), is_terms=True)
    assert languages(terms(batch(SPANISH))) == [("und", False, None)]


def test_text_may_be_strings_and_offsets_in_another_unit(bundle: Path) -> None:
    strings = pa.RecordBatch.from_pydict({"note_id": ["a"], "text": [NOTE]})
    utf8 = BatchAnnotator(str(bundle), unit=OffsetUnit.UTF8)
    (row,) = utf8(strings).to_pylist()
    for mention in row["mentions"]:
        pieces = [NOTE.encode()[p["begin"] : p["end"]].decode() for p in mention["pieces"]]
        assert " ".join(pieces) == mention["mention"]
    assert utf8(batch()).num_rows == 0


def test_it_is_sent_as_what_it_holds(annotate: BatchAnnotator) -> None:
    sent = pickle.dumps(annotate)
    assert len(sent) < 2000
    assert pickle.loads(sent) == annotate


def test_a_failing_note_fails_alone_and_is_not_quoted(
    annotate: BatchAnnotator, linker: Linker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(GivenDetector):
        def detect(self, notes):
            for note in notes:
                if "secret" in note:
                    raise ValueError(note)
            return [[] for _ in notes]

    monkeypatch.setattr(module, "_opened", lambda how: Annotator(linker, detector=Failing([])))
    with caplog.at_level(logging.ERROR):
        coded = annotate(batch("fine", "a secret", "fine"))
    assert coded.column("error").to_pylist() == [None, "failed", None]
    assert "ValueError at test_annotator.py:" in caplog.text
    assert "secret" not in caplog.text
