"""The table NOTE in: from files and from a database, the same notes; and nothing secret in a message."""

from __future__ import annotations

import csv
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy

from linker.bulk.formats import open_source
from linker.bulk.source import Columns, Source
from linker.bulk.sources import database as database_module
from linker.bulk.sources.database import DatabaseSource
from linker.bulk.sources.omop import OmopSource
from linker.errors import InvalidInput

COLUMNS = ["note_id", "person_id", "note_date", "note_title", "note_text", "visit_occurrence_id"]
NOTES = [[n, 100 + n, "2026-01-02", "Progress", f"No fever, day {n}.\nÑandú", None] for n in range(1, 24)]


def rows_of(source: Source) -> list[dict]:
    return [row for part in source.parts() for batch in source.read(part) for row in batch.to_pylist()]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "clinic.db"
    with sqlite3.connect(file) as connection:
        connection.execute(
            "create table note (note_id integer, person_id integer, note_date text, note_title text, note_text text,"
            " visit_occurrence_id integer)"
        )
        connection.executemany("insert into note values (?, ?, ?, ?, ?, ?)", NOTES)
    connection.close()
    return file


def as_csv(tmp_path: Path, columns: list[str]) -> Path:
    file = tmp_path / "note.csv"
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([columns, *NOTES])
    return file


def as_parquet(tmp_path: Path, columns: list[str]) -> Path:
    file = tmp_path / "note.parquet"
    pq.write_table(pa.table(dict(zip(columns, zip(*NOTES, strict=True), strict=True))), file)
    return file


@pytest.mark.parametrize("write", [as_csv, as_parquet])
@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_files_have_the_notes_in_either_case(tmp_path: Path, write, spelled) -> None:
    source = OmopSource.of([str(write(tmp_path, [spelled(name) for name in COLUMNS]))], Columns())
    rows = rows_of(source)
    assert [(row["note_id"], row["text"].decode(), str(row["person_id"])) for row in rows] == [
        (str(note[0]), note[4], str(note[1])) for note in NOTES
    ]
    assert source.schema.names == ["note_id", "text", "error", "person_id", "note_date", "visit_occurrence_id"]


def test_a_file_without_a_column_says_which(tmp_path: Path) -> None:
    file = as_csv(tmp_path, ["note_id", "person_id", "note_date", "note_title", "body", "visit_occurrence_id"])
    with pytest.raises(InvalidInput, match=r"note_text.*has note_id, person_id, note_date, note_title, body"):
        rows_of(OmopSource.of([str(file)], Columns()))
    assert rows_of(OmopSource.of([str(file)], Columns(text="body", keep=("person_id",))))[0]["note_id"] == "1"


@pytest.mark.parametrize("notes", [1, 5, 23, 1000])
def test_the_parts_of_a_table_are_all_of_it(database: Path, notes: int) -> None:
    source = DatabaseSource(f"sqlite:///{database}", "note", Columns(text="note_text", keep=("person_id",)), notes)
    parts = source.parts()
    assert parts == source.parts()
    assert [part.notes for part in parts] == [
        len([r for b in source.read(part) for r in b.to_pylist()]) for part in parts
    ]
    assert len(parts) == -(-len(NOTES) // notes)
    rows = rows_of(source)
    assert [(row["note_id"], row["text"].decode(), row["person_id"]) for row in rows] == [
        (str(note[0]), note[4], str(note[1])) for note in NOTES
    ]


def test_notes_that_share_an_id_and_gaps_are_read_once(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("delete from note where note_id between 8 and 14")
        connection.executemany("insert into note values (?, ?, ?, ?, ?, ?)", NOTES[:3] + NOTES[20:])
    connection.close()
    for notes in (1, 2, 3):
        source = DatabaseSource(f"sqlite:///{database}", "note", Columns(text="note_text"), notes)
        ids = [int(row["note_id"]) for row in rows_of(source)]
        assert ids == sorted([*range(1, 8), *range(15, 24), 1, 2, 3, 21, 22, 23])
        assert sum(part.notes for part in source.parts()) == len(ids)


def test_pages_end_anywhere_and_rows_of_one_key_are_in_one_order(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sqlite3.connect(database) as connection:
        connection.executemany("insert into note values (5, ?, null, null, ?, null)", [(9 - n, "x") for n in range(7)])
    connection.close()
    source = DatabaseSource(f"sqlite:///{database}", "note", Columns(text="note_text", keep=("person_id",)), 10)
    rows = rows_of(source)
    with sqlite3.connect(database) as connection:  # the same rows in another order, as a server may give them
        there = connection.execute("select * from note").fetchall()
        connection.execute("delete from note")
        connection.executemany("insert into note values (?, ?, ?, ?, ?, ?)", there[::-1])
    connection.close()
    for page in (1, 2, 3, 7, 8, 30, 31):
        monkeypatch.setattr(database_module, "_PAGE", page)
        assert rows_of(source) == rows
    assert [int(row["note_id"]) for row in rows] == sorted([*range(1, 24), *[5] * 7])


def test_nothing_is_open_while_notes_are_annotated(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engines, real = [], sqlalchemy.create_engine
    monkeypatch.setattr(sqlalchemy, "create_engine", lambda *a, **k: engines.append(real(*a, **k)) or engines[-1])
    monkeypatch.setattr(database_module, "_PAGE", 2)
    source = DatabaseSource(f"sqlite:///{database}", "note", Columns(text="note_text"), 5)
    for _ in source._rows(source.parts()[0]):
        assert [engine.pool.checkedout() for engine in engines] == [0, 0]


@pytest.mark.parametrize(
    "change",
    [
        "delete from note where note_id = 4",
        "insert into note (note_id) values (4)",
        "insert into note (note_id) values (99)",
        "update note set note_id = 0 where note_id = 4",
        "update note set note_id = 8 where note_id = 4",
        "update note set note_id = 99 where note_id = 4",
    ],
)
def test_another_content_has_another_stamp(database: Path, change: str) -> None:
    source = DatabaseSource(f"sqlite:///{database}", "note", Columns(text="note_text"), 10)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("delete from note where note_id = 8")
        connection.commit()
        before = source.parts()
        assert source.parts() == before
        connection.execute(change)
        connection.commit()
    assert source.parts() != before


def test_a_url_is_told_from_files(database: Path) -> None:
    source = open_source([f"sqlite:///{database}"], Columns())
    assert rows_of(source)[0]["note_date"] == "2026-01-02"
    assert str(database) not in repr(source)


def test_of_a_table_that_is_not_there_it_says_what_is(database: Path) -> None:
    with pytest.raises(InvalidInput, match=r"clinic\.db#notes: no such table; there is note\."):
        DatabaseSource.of([f"sqlite:///{database}#notes"], Columns()).parts()
    with pytest.raises(InvalidInput, match=r"#note\.ward: no such column; there is note_id, person_id"):
        DatabaseSource.of([f"sqlite:///{database}"], Columns(keep=("ward",))).parts()
    with pytest.raises(InvalidInput, match=r"expected a column of integers"):
        DatabaseSource.of([f"sqlite:///{database}"], Columns(note_id="note_title")).parts()


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none\.db#note: no such file"):
        DatabaseSource.of([f"sqlite:///{tmp_path}/none.db"], Columns()).parts()
    assert not list(tmp_path.iterdir())


def test_a_database_may_be_opened_for_reading_alone(database: Path) -> None:
    source = DatabaseSource.of([f"sqlite:///file:{database}?mode=ro&uri=true"], Columns())
    assert len(rows_of(source)) == len(NOTES)


def test_a_table_without_rows_or_keys_is_refused(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("update note set note_id = null where note_id = 3")
    with pytest.raises(InvalidInput, match=r"expected a key, got 1 rows without"):
        DatabaseSource.of([f"sqlite:///{database}"], Columns()).parts()
    with connection:
        connection.execute("delete from note")
    connection.close()
    with pytest.raises(InvalidInput, match=r"without rows"):
        DatabaseSource.of([f"sqlite:///{database}"], Columns()).parts()


def test_without_sqlalchemy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(InvalidInput, match=r"pip install 'medlinker\[database\]'"):
        open_source(["postgresql://host/clinic"], Columns()).parts()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+nodriver://reader:hunter2@localhost/db",
        "nodialect://reader:hunter2@localhost/db",
        "mysql+mysqlconnector://reader:hunter2@localhost/db",
        "sqlite://reader:hunter2@localhost:hunter2/db",
        "://reader:hunter2@",
        "sqlite:////no/such/folder/hunter2-is-no-password.db",
    ],
)
@pytest.mark.parametrize("asked", [None, "omop", "csv"])
def test_no_message_has_the_password(url: str, asked: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        open_source([url], Columns(), format=asked).parts()
    assert "hunter2@" not in str(caught.value)
    assert ":hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
