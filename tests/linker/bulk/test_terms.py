"""Terms to codes: rows as they were with codes behind, each distinct term once; and a sheet that comes back whole."""

from __future__ import annotations

import csv
import gzip
import json
import zipfile
from datetime import date
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linker.bulk.annotator import BatchAnnotator
from linker.bulk.chunks import Chunk
from linker.bulk.review import Doubt, read_review, shown, write_review
from linker.bulk.rows import TEXT
from linker.bulk.terms import ADDED, TermsSink, TermsSource, open_terms
from linker.corpus import read_corpus
from linker.errors import InvalidInput
from linker.options import Options
from linker.pipeline import Linker
from linker.records import Mention

TERMS = [
    *("heart attack", "Heart attack", "heart attack", "", "  ", "no asthma", "=cmd|' /C calc'!A0", "SEPT2"),
    *("asthma, acute", 'the "cold"', "007", "heart attack", "Allergies", "@sum(1)", "-1", "+1", "line\nbreak"),
]
HEADER = ["row", "problem", "ward"]


def as_csv(folder: Path, terms: list[str]) -> Path:
    file = folder / "problems.csv"
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([HEADER, *([f"{n:03d}", term, "A"] for n, term in enumerate(terms))])
    return file


def as_parquet(folder: Path, terms: list[str]) -> Path:
    file = folder / "problems.parquet"
    days = [date(2026, 1, 1)] * len(terms)
    pq.write_table(pa.table({"row": range(len(terms)), "problem": terms, "ward": days}), file)
    return file


def as_xlsx(folder: Path, terms: list[str]) -> Path:
    file = folder / "problems.xlsx"
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    for number, term in enumerate(terms):
        book.active.append([number, term or None, 1.5])
        if term:
            book.active.cell(number + 2, 2).data_type = "s"
    book.save(file)
    return file


def rows_of(file: Path) -> list[list]:
    if file.suffix == ".csv":
        with file.open(newline="", encoding="utf-8-sig") as stream:
            return list(csv.reader(stream))
    if file.suffix == ".parquet":
        table = pq.read_table(file)
        return [table.column_names, *(list(row.values()) for row in table.to_pylist())]
    return [list(row) for row in openpyxl.load_workbook(file).active.iter_rows(values_only=True)]


def coded(bundle: Path, file: Path, out: Path, *, review_below: float = 0.8) -> Path:
    """What the command does, in this process."""
    table, column = open_terms([str(file)], "problem")
    source, sink = TermsSource(table, column), TermsSink(table, column, review_below)
    annotate = BatchAnnotator(str(bundle), Options(top_k=5), is_terms=True, keep_text=True)
    for number, batch in enumerate(source.read(source.parts()[0])):
        sink.write(out, Chunk(0, number), annotate(batch))
    sink.finish(out)
    return out / f"terms{file.suffix}"


@pytest.mark.parametrize("write", [as_csv, as_parquet, as_xlsx])
def test_rows_are_as_they_were_with_codes_behind(bundle: Path, linker: Linker, tmp_path: Path, write) -> None:
    file = write(tmp_path, TERMS)
    header, *rows = rows_of(coded(bundle, file, tmp_path / "out"))
    assert header == [*HEADER, *ADDED.names]
    assert [row[:3] for row in rows] == rows_of(file)[1:]
    links = {
        term: linker.link([Mention(term, term, 0, len(term))], Options(top_k=5))[0] for term in TERMS if term.strip()
    }
    for row in rows:
        found = dict(zip(header, row, strict=True))
        link = links.get(found["problem"])
        concept = link.concept.concept_id if link and link.concept else None
        assert (found["linker_concept_id"] or None) == concept
        assert int(found["linker_count"] or 0) == (TERMS.count(found["problem"]) if link else 0)
    said = {row[1]: dict(zip(header, row, strict=True)) for row in rows}
    assert said["heart attack"]["linker_codes"] == "DEMO:H1|OTHER:77"
    assert said["heart attack"]["linker_candidates"].startswith("CLINIC:0003=")
    assert said["no asthma"]["linker_assertions"] in ("", None)  # the term is the whole of it
    assert said["Allergies"]["linker_candidates"]  # and no header of a section


def test_each_distinct_term_is_read_once_the_most_frequent_first(tmp_path: Path) -> None:
    table, column = open_terms([str(as_csv(tmp_path, TERMS))], "problem")
    source = TermsSource(table, column)
    rows = [row for batch in source.read(source.parts()[0]) for row in batch.to_pylist()]
    assert (rows[0][TEXT], rows[0]["count"], rows[0]["note_id"]) == (b"heart attack", 3, "1")
    assert len(rows) == len({term for term in TERMS if term.strip()})


def test_what_csv_holds_stays_byte_for_byte(bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "problems.csv"
    file.write_bytes(b"\xef\xbb\xbfid;problem\n00123456789012345678;heart attack\n1e5;caf\xe9\n;\n")
    lines = coded(bundle, file, tmp_path / "out").read_bytes().splitlines()
    assert [line.split(b";linker")[0] for line in lines[:1]] == [b"\xef\xbb\xbfid;problem"]
    assert lines[1].startswith(b"00123456789012345678;heart attack;CLINIC:0003;")
    assert lines[2].startswith(b"1e5;caf\xe9;")
    assert lines[2].endswith(b";not_utf8")
    assert lines[3] == b";" + b";" * len(ADDED)


def test_a_column_by_itself_may_have_empty_lines(tmp_path: Path) -> None:
    file = tmp_path / "terms.csv"
    file.write_text("term\nasthma\n\ncold\n")
    table, column = open_terms([str(file)], None)
    assert (column, list(table.values(column))) == ("term", ["asthma", "", "cold"])
    table.write(tmp_path / "out.csv", column, pa.schema([("x", pa.string())]), lambda value: {"x": value.upper()})
    assert (tmp_path / "out.csv").read_text() == "term,x\nasthma,ASTHMA\n,\ncold,COLD\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("terms.csv", b"", "expected a header, got an empty file"),
        ("terms.csv", b"problem,b\nsecret\n", r"terms\.csv:2: expected 2 fields as in the header, got 1"),
        ("terms.csv", b"problem\nasthma, acute\n", r"got 2; is something to be quoted"),
        ("terms.csv.gz", gzip.compress(b"problem\n" + b"secret\n" * 999)[:40], "cannot be read"),
        ("terms.parquet", b"secret", "expected a Parquet file"),
        ("terms.xlsx", b"secret", r"expected a workbook \.xlsx"),
        ("terms.docx", b"secret", r"expected a table that ends in \.csv, \.tsv, \.parquet"),
        ("terms.csv", b"a,b\n1,2\n", "--column: expected one of a, b"),
    ],
)
def test_a_table_that_is_none_is_told_without_what_it_says(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match=message) as caught:
        table, column = open_terms([str(file)], "problem" if b"problem" in content else None)
        list(table.values(column))
        list(TermsSource(table, column).read(None))
    assert "secret" not in str(caught.value)


def test_a_damaged_workbook_is_told_as_one(tmp_path: Path) -> None:
    whole = as_xlsx(tmp_path, ["secret"] * 100)
    damaged = tmp_path / "damaged.xlsx"
    with zipfile.ZipFile(whole) as before, zipfile.ZipFile(damaged, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            after.writestr(name, content[: len(content) // 2] if "sheet1" in name else content)
    with pytest.raises(InvalidInput, match=r"damaged\.xlsx: expected a workbook .* \(ParseError\)") as caught:
        table, column = open_terms([str(damaged)], "problem")
        list(table.values(column))
    assert "secret" not in str(caught.value)


def test_a_table_that_has_codes_already_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "terms.csv"
    file.write_text("problem,linker_code\nasthma,1\n")
    with pytest.raises(InvalidInput, match="linker_code"):
        open_terms([str(file)], "problem")


def corrected(sheet: Path, answers: dict[str, str]) -> Path:
    """The sheet as a person would leave it; by the term as it is shown."""
    target = sheet.with_name(f"corrected{sheet.suffix}")
    header, *rows = rows_of(sheet)
    term = header.index("term")
    for row in rows:
        row[-1] = answers.get(row[term], "")
    if sheet.suffix == ".csv":
        with target.open("w", newline="", encoding="utf-8-sig") as stream:
            csv.writer(stream).writerows([header, *rows])
    else:
        book = openpyxl.load_workbook(sheet)
        for number, row in enumerate(rows, start=2):
            book.active.cell(number, len(header)).value = row[-1] or None
        book.save(target)
    return target


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_the_sheet_comes_back_as_gold(bundle: Path, tmp_path: Path, run, suffix: str) -> None:
    coded(bundle, as_csv(tmp_path, TERMS), tmp_path / "out", review_below=1.0)
    sheet = (tmp_path / "out" / "review").with_suffix(suffix)
    (header, *rows) = rows_of(sheet)
    counts = [int(row[header.index("count")]) for row in rows]
    assert counts == sorted(counts, reverse=True)
    mark = "'" if suffix == ".csv" else ""
    answers = {"SEPT2": "NIL", "heart attack": "ok", f"{mark}=cmd|' /C calc'!A0": "CLINIC:0003|CLINIC:0001"}
    answers |= {"asthma, acute": "CLINIC:0015"}
    out = tmp_path / "gold.jsonl"
    done = run("train", "gold", corrected(sheet, answers), "--out", out, "--bundle", bundle)
    assert (done.code, done.err) == (0, "")
    assert {mention.parts[0].text: set(mention.gold) for mention in read_corpus(out)} == {
        "SEPT2": set(),
        "heart attack": {"CLINIC:0003"},
        "=cmd|' /C calc'!A0": {"CLINIC:0003", "CLINIC:0001"},
        "asthma, acute": {"CLINIC:0015"},
    }
    done = run("train", "gold", corrected(sheet, {"SEPT2": "CLINIC:4711"}), "--out", out, "--bundle", bundle)
    assert done.code == 2
    assert "CLINIC:4711" in done.err
    assert "SEPT2" not in done.err
    done = run("train", "gold", sheet, "--out", out, "--bundle", bundle)
    assert "no row has a correct_id yet" in done.err


def test_no_cell_of_the_sheet_is_a_formula(bundle: Path, tmp_path: Path) -> None:
    coded(bundle, as_csv(tmp_path, TERMS), tmp_path / "out", review_below=1.0)
    for row in rows_of(tmp_path / "out" / "review.csv"):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row)
    book = openpyxl.load_workbook(tmp_path / "out" / "review.xlsx")
    cells = [cell for row in book.active.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n"}
    assert {"007", "-1", "=cmd|' /C calc'!A0"} <= {cell.value for cell in cells}


@pytest.mark.parametrize("changed", ["02.Sep", "2026-09-02", "sept2"])
def test_a_term_that_a_program_has_changed_is_found_out(tmp_path: Path, changed: str) -> None:
    write_review(tmp_path, [Doubt("SEPT2", 1, None, None, 0.1, "below_threshold")])
    sheet = tmp_path / "review.csv"
    sheet.write_bytes(sheet.read_bytes().replace(b"SEPT2", changed.encode())[:-2] + b"NIL\r\n")
    with pytest.raises(InvalidInput, match=r"review\.csv:2: the term is not the one that was written") as caught:
        list(read_review(sheet))
    assert changed not in str(caught.value)


@settings(max_examples=10)
@given(terms=st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=8, unique_by=shown))
def test_any_term_comes_back_as_it_is_shown(tmp_path_factory: pytest.TempPathFactory, terms: list[str]) -> None:
    folder = tmp_path_factory.mktemp("sheet")
    terms = [term for term in terms if shown(term)]
    write_review(folder, [Doubt(term, 1, "A:1", "'=name", 0.5, None) for term in terms])
    for suffix in (".csv", ".xlsx"):
        sheet = folder / f"review{suffix}"
        filled = {row[2]: "ok" for row in rows_of(sheet)[1:]}
        assert sorted(row.term for row in read_review(corrected(sheet, filled))) == sorted(map(shown, terms))


def test_the_command_codes_a_table(bundle: Path, tmp_path: Path, run) -> None:
    file = as_csv(tmp_path, TERMS)
    out = tmp_path / "out"
    done = run("bulk", file, "--terms", "--column", "problem", "--out", out, "--bundle", bundle, "--workers", 1)
    assert done.code == 0, done.err
    assert len(rows_of(out / "terms.csv")) == len(TERMS) + 1
    assert (out / "review.xlsx").exists()
    assert json.loads((out / "job" / "fingerprint.json").read_text())
