from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from linker import InvalidInput
from linker.corpus import read_corpus


def write(path: Path, *notes: object) -> Path:
    path.write_text("".join(json.dumps(note) + "\n" for note in notes))
    return path


def note(**mention: object) -> dict[str, object]:
    row = {"begin": 2, "end": 6, "mention": "cold", "gold": ["D1"], **mention}
    return {"doc_id": "n1", "text": "a cold day", "mentions": [row]}


def test_reads_places_composites_and_prefixes(tmp_path: Path) -> None:
    composite = {"doc_id": 2, "text": None, "mentions": [{"mention": "a|b", "gold": ["D1", "X:2"], "composite": True}]}
    path = tmp_path / "corpus.jsonl.xz"
    path.write_bytes(lzma.compress(write(tmp_path / "plain", note(), composite).read_bytes()))
    first, second = read_corpus(path, prefix="MESH")
    assert (first.parts[0].text, first.parts[0].begin, first.parts[0].context) == ("cold", 2, "a cold day")
    assert first.gold == {"MESH:D1"}
    assert [part.text for part in second.parts] == ["a", "b"]
    assert second.gold == {"MESH:D1", "X:2"}


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        ("{", ":2"),
        ("[]", ":2"),
        ('{"doc_id": 1}', ":2"),
        (json.dumps({"mentions": []}), ":2"),
        (json.dumps({"doc_id": 1, "mentions": [{}]}), ":2: mentions[0]"),
        (json.dumps(note(mention=3)), ":2: mentions[0]"),
        (json.dumps(note(gold="D1")), ":2: mentions[0]"),
        (json.dumps(note(begin="0")), ":2: mentions[0]"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, bad: str, place: str) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text(json.dumps(note()) + "\n" + bad + "\n")
    with pytest.raises(InvalidInput) as caught:
        read_corpus(path)
    assert str(caught.value).startswith(f"{path}{place}: ")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    truncated = tmp_path / "corpus.jsonl.xz"
    truncated.write_bytes(lzma.compress(json.dumps(note()).encode())[:-8])
    empty = write(tmp_path / "empty.jsonl")
    for path in (tmp_path / "missing.jsonl", tmp_path, truncated, empty):
        with pytest.raises(InvalidInput, match=path.name):
            read_corpus(path)


def test_a_mention_that_is_not_at_its_offsets_is_kept_without_them(tmp_path: Path) -> None:
    right, wrong, beyond = read_corpus(write(tmp_path / "c.jsonl", note(), note(begin=0), note(end=60)))
    assert [m.misplaced for m in (right, wrong, beyond)] == [False, True, True]
    assert [m.parts[0].begin for m in (right, wrong, beyond)] == [2, None, None]
    assert wrong.parts[0].text == "cold"
