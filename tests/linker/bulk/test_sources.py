"""The same notes in any format, and what is wrong with any of them."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linker.bulk.formats import open_source
from linker.bulk.rows import input_schema
from linker.bulk.source import Columns, Source
from linker.errors import InvalidInput

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ROWS = [("1", "No asthma.\r\nCold,\t“MI”; |", "A"), ("007", "", ""), ("1", "\U0001f600 \0", "é")]


def rows(source: Source) -> list[dict]:
    found = []
    for part in source.parts():
        batches = list(source.read(part))
        assert all(batch.schema == source.schema for batch in batches)
        assert part.notes in (None, sum(map(len, batches)))
        found += [row for batch in batches for row in batch.to_pylist()]
    return found


def write(folder: Path, kind: str, notes: list[tuple[str, str, str]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"notes.{kind}"
    names = ("note_id", "text", "ward")
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist([dict(zip(names, note, strict=True)) for note in notes]), file)
    elif kind == "jsonl":
        file.write_bytes(b"".join(json.dumps(dict(zip(names, note, strict=True))).encode() + b"\n" for note in notes))
    else:
        with file.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, delimiter="\t" if kind == "tsv" else ",").writerows([names, *notes])
    return file


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@settings(max_examples=30)
@given(notes=st.lists(st.tuples(text, text, text), min_size=1, max_size=5))
def test_notes_come_through_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, kind: str, notes: list[tuple[str, str, str]]
) -> None:
    file = write(tmp_path_factory.mktemp("notes"), kind, notes)
    found = rows(open_source([str(file)], Columns(keep=("ward",))))
    assert [(row["note_id"], row["text"].decode(), row["ward"]) for row in found] == notes
    assert {row["error"] for row in found} == {None}


def test_text_files_have_their_paths_for_ids(tmp_path: Path) -> None:
    for name, content in {"b.txt": b"cold", "a/c.txt": b"\xff", "a/.hidden.txt": b"", "x.md": b""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    source = open_source([str(tmp_path)], Columns())
    assert [(row["note_id"], row["text"]) for row in rows(source)] == [("a/c.txt", b"\xff"), ("b.txt", b"cold")]
    before = source.parts()
    (tmp_path / "b.txt").write_bytes(b"colder")
    assert source.parts() != before
    with pytest.raises(InvalidInput, match="--keep: text files have no columns but their text"):
        open_source([str(tmp_path)], Columns(keep=("ward",)))


def test_folders_globs_and_partitions(tmp_path: Path) -> None:
    for ward in "AB":
        write(tmp_path / f"ward={ward}%2F1", "parquet", ROWS)
    (tmp_path / "_SUCCESS").touch()
    columns = Columns(keep=("year", "ward"))
    for ward in "AB":
        file = tmp_path / f"year=2024/ward={ward}%2F1/notes.jsonl.gz"
        file.parent.mkdir(parents=True)
        file.write_bytes(gzip.compress(b'{"note_id": 1, "text": "cold"}\n'))
    found = rows(open_source([str(tmp_path / "year=*")], columns))
    assert [(row["year"], row["ward"]) for row in found] == [("2024", "A/1"), ("2024", "B/1")]
    with pytest.raises(InvalidInput, match=r"several \(jsonl, parquet\); say which with --from"):
        open_source([str(tmp_path)], Columns())
    parts = open_source([str(tmp_path)], Columns(), format="parquet").parts()
    assert [part.notes for part in parts] == [3, 3]
    twice = open_source([str(tmp_path), str(tmp_path / "**/*.parquet")], Columns(), format="jsonl")
    assert len(twice.parts()) == 4  # what a glob matches is taken as it is, and nothing is taken twice


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "note_id,text\n1,cold\n".encode("utf-16"), "found NULs in its first line; if it is UTF-16, save"),
        ("a.jsonl", '{"note_id": 1, "text": "cold"}\n'.encode("utf-16"), "found NULs in its first line; if it is"),
        ("a.csv", b"\0" * 1000, "found NULs in its first line"),
        ("a.csv", b"7,Quimby has a cold since May\n", "has what may be no header. Say which is which with"),
        ("a.csv", b"7,Quimby\n", "has what may be no header"),
        ("a.csv", b"Quimby\n", "has what may be no header"),
        ("a.csv", b"", "has none"),
        ("a.jsonl.xz", b"", r"\.xz is not read; unpack it, or compress it as \.gz"),
        ("a.parquet", b"cold", r"expected a Parquet file, complete \(ArrowInvalid\); --from says another"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_told_without_its_words(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=said) as caught:
        rows(open_source([str(tmp_path / name)], Columns(), format="jsonl" if "jsonl" in name else None))
    assert "Quimby" not in str(caught.value)


def test_a_folder_without_such_files_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.md").touch()
    with pytest.raises(InvalidInput, match=r"expected files that end in \.csv or \.tsv below it, found none; --from"):
        open_source([str(tmp_path)], Columns(), format="csv")
    (tmp_path / "a.csv").write_text("note_id,text\n")
    assert len(open_source([str(tmp_path), str(tmp_path / "a.csv")], Columns()).parts()) == 1


def test_given_spans_come_through_in_every_format(tmp_path: Path) -> None:
    given_ = [{"begin": 0, "end": 2, "mention": "MI"}]
    table = {"note_id": ["1", "2"], "text": ["MI", "MI"], "found": [json.dumps(given_), ""], "kept": ["a", "b"]}
    as_rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({**row, "found": given_}) + "\n" for row in as_rows[:1]))
    with (tmp_path / "a.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([table, *zip(*table.values(), strict=True)])
    pq.write_table(pa.table(table), tmp_path / "text.parquet")
    pq.write_table(pa.table({**table, "found": [given_, None]}), tmp_path / "nested.parquet")
    pq.write_table(pa.table({**table, "note_text": table["text"]}), tmp_path / "omop.parquet")
    columns = Columns(keep=("kept",), spans="found")
    for name, format_ in {
        "a.jsonl": None,
        "a.csv": None,
        "text.parquet": None,
        "nested.parquet": None,
        "omop.parquet": "omop",
    }.items():
        source = open_source([str(tmp_path / name)], columns, format=format_)
        first, *others = rows(source)
        spans = first["spans"]
        assert (json.loads(spans) if isinstance(spans, str) else spans) == given_
        assert all(row["spans"] in ("", None) for row in others)
        assert first["kept"] == "a"
        with pytest.raises(InvalidInput, match="'found_in'.*--spans-column"):
            rows(open_source([str(tmp_path / name)], Columns(spans="found_in"), format=format_))
    for format_ in ("text", "fhir"):
        with pytest.raises(InvalidInput, match="--spans-column: "):
            open_source([str(tmp_path)], Columns(spans="found"), format=format_)


def test_parquet_of_other_types(tmp_path: Path) -> None:
    invalid = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")])
    for name, table in {
        "a": pa.table({"note_id": pa.array([7, None]), "text": pa.array(["x", None]).dictionary_encode(), "n": [1, 2]}),
        "b": pa.table({"note_id": ["b"], "text": invalid, "n": pa.array([3], pa.int8())}),
    }.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    source = open_source([str(tmp_path)], Columns(keep=("n",)))
    assert source.schema == input_schema([pa.field("n", pa.int64())])
    found = [(row["note_id"], row["text"], row["n"]) for row in rows(source)]
    assert found == [("7", b"x", 1), (None, None, 2), ("b", b"a\xff", 3)]


def test_rows_that_are_none_are_errors_of_their_own(tmp_path: Path) -> None:
    lines = tmp_path / "a.jsonl"
    lines.write_bytes(
        b'{"note_id": 1, "text": "a"}\n\n{"no\n[1]\n{"note_id": 2, "text": 3}\n{"note_id": 3}\n'
        b'{"note_id": 4, "text": "\\ud800"}\n{"note_id": 5, "text": "\xff"}\n' + b"[" * 100_000 + b"\n"
    )
    found = [(row["note_id"], row["error"]) for row in rows(open_source([str(lines)], Columns()))]
    malformed = [("a.jsonl:3", "malformed"), ("a.jsonl:4", "malformed"), ("2", "malformed")]
    assert found == [("1", None), *malformed, ("3", None), ("4", None), ("5", None), ("a.jsonl:9", "malformed")]
    table = tmp_path / "a.csv"
    table.write_bytes(b'\xef\xbb\xbfnote_id;text\n1;"a\nb"\n2\n3;\xff\n4;a;b\n')
    found = [(row["note_id"], row["text"], row["error"]) for row in rows(open_source([str(table)], Columns()))]
    malformed = [("a.csv:4", None, "malformed"), ("a.csv:6", None, "malformed")]
    assert found == [("1", b"a\nb", None), malformed[0], ("3", b"\xff", None), malformed[1]]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"id,text\n1,a\n", r"a.csv: expected the column 'note_id'; has id, text. Say which"),
        ("a.jsonl", b'{"id": 1, "text": "a"}\n', r"expected the column 'note_id'; has id, text"),
        ("a.parquet", b"PAR1 no PAR1", r"a.parquet: expected a Parquet file"),
        ("a.csv", b"", r"expected the column 'note_id'; has none"),
        ("a.csv", b'note_id,text\n1,"' + b"a" * (1 << 26), r"a.csv:\d+: cannot be read further: a quote"),
        ("a.csv.gz", gzip.compress(b"note_id,text\n" + b"1,abcdefghij\n" * 9999)[:-50], "cut off"),
        ("a.jsonl.gz", b"not gzip at all", r"a.jsonl.gz: cannot be read"),
        ("a.jsonl.gz", gzip.compress(b'{"note_id": "1", "text": "a"}\n' * 9999)[:-50], "truncated"),
        ("a.doc", b"", r"no file that ends in .csv, .tsv"),
    ],
)
def test_files_that_are_not_as_expected(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        rows(open_source([str(tmp_path / name)], Columns()))


def test_a_parquet_file_of_numbers_has_no_notes(tmp_path: Path) -> None:
    pq.write_table(pa.table({"note_id": [1], "text": [1.5]}), tmp_path / "a.parquet")
    with pytest.raises(InvalidInput, match=r"a.parquet: text: expected strings, has double"):
        open_source([str(tmp_path)], Columns()).parts()


@pytest.mark.parametrize("given_", ["nowhere", "nowhere/*.csv"])
def test_nothing_there(tmp_path: Path, given_: str) -> None:
    with pytest.raises(InvalidInput, match="no such file or folder"):
        open_source([str(tmp_path / given_)], Columns())
    with pytest.raises(InvalidInput, match="found none"):
        open_source([str(tmp_path)], Columns(), format="csv")
    with pytest.raises(InvalidInput, match=r"--from: expected one of .*csv.* got 'doc'"):
        open_source([str(tmp_path)], Columns(), format="doc")
