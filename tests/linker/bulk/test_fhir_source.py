"""FHIR in: whatever the file has, each DocumentReference is a row, and what is wrong with it is a word in it."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from linker.bulk.source import Columns
from linker.bulk.sources.fhir import FhirSource
from linker.errors import InvalidInput

SECRET = "chest pain"


def reference(number: str = "1", *, text: str = SECRET, content_type: str = "text/plain", **attachment: object) -> dict:
    data = {"contentType": content_type, "data": base64.b64encode(text.encode()).decode(), **attachment}
    return {
        "resourceType": "DocumentReference",
        "id": number,
        "status": "current",
        "subject": {"reference": "Patient/7"},
        "date": "2026-01-02T03:04:05Z",
        "context": {"encounter": [{"reference": "Encounter/9"}]},
        "content": [{"attachment": {key: value for key, value in data.items() if value is not None}}],
    }


def rows_of(file: Path) -> list[dict]:
    source = FhirSource.of([str(file)], Columns())
    return [row for part in source.parts() for batch in source.read(part) for row in batch.to_pylist()]


def lines(tmp_path: Path, *values: object) -> Path:
    file = tmp_path / "notes.ndjson"
    file.write_text("".join(f"{json.dumps(value)}\n" for value in values))
    return file


def test_a_line_is_a_note_with_its_references(tmp_path: Path) -> None:
    (row,) = rows_of(lines(tmp_path, reference(text="¿Dolor? 😀\r\n")))
    assert row == {
        "note_id": "1",
        "text": "¿Dolor? 😀\r\n".encode(),
        "error": None,
        "subject": "Patient/7",
        "encounter": "Encounter/9",
        "date": "2026-01-02T03:04:05Z",
    }


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"resourceType": "Patient", "name": SECRET}, "not_a_note"),
        ({"text": SECRET}, "not_a_note"),
        ([SECRET], "malformed"),
        (reference(data="%%%" + SECRET), "bad_base64"),
        (reference(data=None), "no_text"),
        (reference(data=None, url="Binary/1"), "no_text"),
        (reference(content_type="application/pdf"), "no_text"),
        (reference(content_type="text/plain; charset=klingon"), "unknown_charset"),
        (reference(content_type="text/plain; charset=base64"), "unknown_charset"),
        (reference(text="ä", content_type="text/plain; charset=us-ascii"), "not_in_charset"),
        (reference() | {"status": "entered-in-error"}, "entered_in_error"),
        (reference() | {"content": "nonsense"}, "no_text"),
    ],
)
def test_what_is_wrong_is_a_word_in_its_row(tmp_path: Path, given: object, error: str) -> None:
    bad, good = rows_of(lines(tmp_path, given, reference("2")))
    assert (bad["text"], bad["error"]) == (None, error)
    assert SECRET not in str(bad)
    assert (good["note_id"], good["text"], good["error"]) == ("2", SECRET.encode(), None)


@pytest.mark.parametrize("charset", ["iso-8859-1", "UTF-16", "windows-1252", '"utf-8"'])
def test_the_charset_is_the_one_that_is_named(tmp_path: Path, charset: str) -> None:
    data = base64.b64encode("café".encode(charset.strip('"'))).decode()
    (row,) = rows_of(lines(tmp_path, reference(content_type=f"text/plain; charset={charset}", data=data)))
    assert row["text"].decode() == "café"


def test_the_text_is_the_first_that_is_plain(tmp_path: Path) -> None:
    pdf, plain = reference(content_type="application/pdf"), reference(text="plain")
    (row,) = rows_of(lines(tmp_path, pdf | {"content": pdf["content"] + plain["content"]}))
    assert row["text"] == b"plain"


def test_a_truncated_line_is_malformed_and_the_others_are_read(tmp_path: Path) -> None:
    file = lines(tmp_path, reference("1"), reference("2"))
    file.write_bytes(file.read_bytes()[:-40])
    assert [(row["note_id"], row["error"]) for row in rows_of(file)] == [("1", None), ("notes.ndjson:2", "malformed")]


def test_a_bundle_gives_its_documents_whole_or_as_a_line(tmp_path: Path) -> None:
    without_id = {key: value for key, value in reference().items() if key != "id"}
    entries = [{"resource": {"resourceType": "Patient"}}, {"resource": reference()}, 7]
    entries += [{"fullUrl": "urn:uuid:1", "resource": without_id}]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    whole = tmp_path / "bundle.json.gz"
    whole.write_bytes(gzip.compress(json.dumps(bundle, indent=1).encode()))
    expected = [("1", None), ("malformed",), ("urn:uuid:1", None)]
    for file in (whole, lines(tmp_path, bundle)):
        found = [(r["note_id"], r["error"]) for r in rows_of(file)]
        assert [pair if pair[1] is None else pair[1:] for pair in found] == expected


def test_columns_that_fhir_has_not_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"--keep: .*subject.*ward"):
        FhirSource.of([str(lines(tmp_path, reference()))], Columns(keep=("ward",)))
