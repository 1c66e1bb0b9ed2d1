"""`linker bulk` as it is called, and what docs/bulk.md says of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from linker.bulk.rows import MENTION, RowError, input_schema, output_schema
from tests.linker.bulk.conftest import notes, write_notes

PAGE = (Path(__file__).parents[3] / "docs/bulk.md").read_text()


def test_notes_in_coded_notes_out(run: Callable, bundle: Path, tmp_path: Path) -> None:
    rows = [{**row, "ward": "A"} for row in notes(5)] + [{"note_id": "none", "text": None, "ward": "B"}]
    write_notes(tmp_path / "notes.jsonl", rows)
    asked = ("bulk", tmp_path / "notes.jsonl", "-b", bundle, "-o", tmp_path / "out", "--workers", 1, "--keep", "ward")
    assert "out: lies in" in run("bulk", tmp_path, *asked[2:]).err
    done = run(*asked, "--to", "parquet")
    assert done.code == 2  # one of six is more than 5 %
    assert "1 of 6 notes have errors (1 no_text), more than --max-errors allows. The job is finished" in done.err
    done = run(*asked, "--max-errors", 1)
    assert done.code == 0
    assert f"{tmp_path}/out/report.md: 6 notes, 1 with an error" in done.err
    flat = re.search(r"```sql\n(-- one row a mention.*?)```", PAGE, re.DOTALL)
    assert flat
    found = duckdb.sql(flat[1].replace("coded/notes", f"{tmp_path}/out/notes")).fetchall()
    assert ("CLINIC:0015" in str(found), len(found) > 10) == (True, True)
    one = duckdb.sql(f"SELECT ward, error FROM '{tmp_path}/out/notes/*.parquet' WHERE note_id = 'none'").fetchall()
    assert one == [("B", "no_text")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nowhere.csv",), "nowhere.csv: no such file or folder"),
        (("{}", "--to", "xml"), "--to: expected one of"),
        (("{}", "--from", "xml"), "--from: expected one of"),
        (("{}", "--text", "body"), "expected the column 'body'; has note_id, text"),
        (("{}", "--keep", "text"), "--keep: 'text' is no column to keep"),
        (("{}", "--max-errors", "few"), "--max-errors: expected a share"),
        (("{}", "--rules", "none.toml"), "none.toml: cannot be read"),
        (("{}", "--detect", "names", "--detector", "mine"), "--detector: is not asked where names alone"),
        (("{}", "--detector", "mine"), "mine/config.json: expected a model's config.json"),
        (("{}", "--codes", "NOPE"), "codes[0]: expected"),
        (("{}", "--note-language", "es_MX"), "--note-language es_MX: expected a language tag"),
        (("{}", "--note-language-column", "lang"), "expected the column 'lang'; has note_id, text"),
        (("{}", "--keep", "language"), "--keep language: is a column of the output; --note-language-column language"),
        (("{}", "--terms", "--note-language-column", "text"), "terms are all in one language"),
        (("{}", "-b", "nowhere"), "nowhere: no such bundle"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_a_line(
    run: Callable, bundle: Path, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    file = write_notes(tmp_path / "notes.jsonl", notes(1))
    done = run("bulk", "-b", bundle, *(str(a).format(file) for a in arguments), "-o", tmp_path / "out", "--workers", 1)
    assert done.code == 2
    assert said in done.err
    assert "Traceback" not in done.err
    assert not list(tmp_path.glob("out/notes/*"))


def test_notes_are_counted_by_language(run: Callable, bundle: Path, tmp_path: Path) -> None:
    told = [("n1", "Sin asthma.", "es"), ("n2", "No asthma.", "pt"), ("n3", "The patient was seen for asthma.", None)]
    rows = [{"note_id": note_id, "text": text, "lang": tag} for note_id, text, tag in told]
    file, out = write_notes(tmp_path / "notes.jsonl", rows), tmp_path / "out"
    done = run("bulk", file, "-b", bundle, "-o", out, "--workers", 1, "--note-language-column", "lang")
    assert done.code == 0, done.err
    found = duckdb.sql(f"SELECT lang, language, without_rules FROM '{out}/notes/*.parquet' ORDER BY note_id").fetchall()
    assert found == [("es", "es", False), ("pt", "pt", True), (None, "en", False)]
    report = (out / "report.md").read_text()
    assert [f"| {of} | 1 (33.3%) |" in report for of in ("es", "pt, without rules of assertion", "en")] == [True] * 3


def test_the_page_has_every_column_and_every_error() -> None:
    columns = [*output_schema(input_schema()).names, *(field.name for field in MENTION)]
    for name in [*columns, *RowError]:
        assert f"`{name}`" in PAGE, name
