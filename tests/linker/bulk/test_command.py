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
        (("{}", "--codes", "NOPE"), "codes[0]: expected"),
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


def test_the_page_has_every_column_and_every_error() -> None:
    columns = [*output_schema(input_schema()).names, *(field.name for field in MENTION)]
    for name in [*columns, *RowError]:
        assert f"`{name}`" in PAGE, name
