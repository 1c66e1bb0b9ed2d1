"""A job goes on where it was stopped, refuses what is not its own, and says what came of it."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from linker.bulk import job as module
from linker.bulk.annotator import BatchAnnotator
from linker.bulk.charts import draw
from linker.bulk.job import Job, run
from linker.bulk.journal import open_journal
from linker.bulk.sinks.jsonlines import JsonLinesSink
from linker.bulk.source import Columns
from linker.bulk.sources.database import DatabaseSource
from linker.bulk.sources.jsonlines import JsonLinesSource
from linker.bulk.summary import Summary
from linker.bulk.tolerance import Tolerance
from linker.detection.choice import Detect
from linker.errors import InvalidInput, JobError
from linker.options import Options
from tests.linker.bulk.conftest import notes, write_notes, written


@pytest.fixture
def chunks_done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is annotated from here on, by name."""
    done: list[str] = []
    real = module.annotate

    def told(*args: object, **kwargs: object) -> Iterator:
        for of in real(*args, **kwargs):
            done.append(str(of.chunk))
            yield of

    monkeypatch.setattr(module, "annotate", told)
    return done


def test_a_job_writes_every_note_once_and_its_report(job: Callable[..., Job]) -> None:
    of = job(notes(10))
    outcome = run(of)
    rows = [json.loads(row) for row in written(of.out).elements()]
    assert sorted(row["note_id"] for row in rows) == sorted(note["note_id"] for note in notes(10))
    assert (outcome.summary.notes, outcome.notes) == (10, 10)
    assert outcome.summary.mentions == sum(len(row["mentions"]) for row in rows) > 10
    ids = [mention["concept_id"] for row in rows for mention in row["mentions"]]
    assert outcome.summary.concepts == {i: ids.count(i) for i in set(ids) - {None}}
    assert outcome.summary.nil.total() == ids.count(None)
    assert sum(outcome.summary.confidence) == len(ids)
    report = (of.out / "report.md").read_text()
    assert f"| mentions | {len(ids):,} |" in report
    assert (of.out / "report.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in of.out.iterdir()) == ["job", "notes", "report.md", "report.png"]


def test_it_goes_on_where_it_was_stopped(job: Callable[..., Job], tmp_path: Path, chunks_done: list[str]) -> None:
    of = job(notes(18))
    run(replace(of, out=tmp_path / "whole"))
    del chunks_done[:]
    with pytest.raises(KeyboardInterrupt):
        _interrupted(of, after=2)
    assert len(written(of.out)) in (8, 12)  # whoever was stopped may have written one that no one knew of
    assert run(of).notes == 10
    assert chunks_done == [f"00000-{number:05d}" for number in range(5)]
    assert written(of.out) == written(tmp_path / "whole")
    assert run(of).notes == 0
    assert len(chunks_done) == 5


def test_of_a_table_it_reads_what_is_not_finished(
    job: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "clinic.db")) as connection, connection:
        connection.execute("create table note (note_id integer primary key, text text)")
        connection.executemany("insert into note values (?, ?)", [(n, row["text"]) for n, row in enumerate(notes(22))])
    of = job([], source=DatabaseSource(f"sqlite:///{tmp_path}/clinic.db", "note", Columns(), notes=8))
    run(replace(of, out=tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        _interrupted(of, after=3)
    read: list[str] = []
    real = DatabaseSource.read
    monkeypatch.setattr(DatabaseSource, "read", lambda self, part: read.append(part.name[-1]) or real(self, part))
    run(of)
    assert read == ["2", "3"]
    assert written(of.out) == written(tmp_path / "whole")
    with closing(sqlite3.connect(tmp_path / "clinic.db")) as connection, connection:
        connection.execute("update note set note_id = 99 where note_id = 9")
    with pytest.raises(
        JobError, match=r"#note, part 2 was 8 notes, keys 8 to 15 with checksum \d+, is 8 notes, keys 8 to"
    ):
        run(of)


def _interrupted(of: Job, *, after: int) -> None:
    def impatient(self: Tolerance, summary: Summary, *, is_over: bool = False) -> None:
        if summary.notes == 4 * after:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tolerance, "check", impatient)
        run(of)


def test_another_job_in_the_same_folder_is_refused(job: Callable[..., Job]) -> None:
    of = job(notes(3))
    run(of)
    before = written(of.out)
    filtered = replace(of.annotate, options=Options(top_k=1, min_confidence=0.9))
    for changed, said in {
        replace(of, annotate=filtered): r"options.min_confidence was None, is 0.9. Choose another --out",
        replace(of, annotate=replace(of.annotate, detect=Detect.NAMES)): "detect was both, is names",
        replace(of, chunk_notes=5): "chunk notes was 4, is 5",
        replace(of, sink=JsonLinesSink()): r"output was ParquetSink\(\), is JsonLinesSink\(\)",
        replace(of, source=JsonLinesSource(of.source.files, Columns(keep=("x",)))): "columns was",
        replace(of, source=JsonLinesSource(of.source.files, Columns(text="note_id"))): (
            "columns was id note_id, text text, is id note_id, text note_id"
        ),
    }.items():
        with pytest.raises(JobError, match=said):
            run(changed)
    write_notes(of.source.files[0], notes(4))
    with pytest.raises(JobError, match=r"input .*notes.jsonl was 356 bytes, changed 20\d\d-.* UTC, is"):
        run(of)
    assert written(of.out) == before


def test_rules_that_cannot_be_read_are_told_before_the_work(job: Callable[..., Job]) -> None:
    of = job(notes(3))
    with pytest.raises(InvalidInput, match=r"none\.toml: cannot be read: No such file"):
        run(replace(of, annotate=replace(of.annotate, rules=(Path("none.toml"),))))
    assert not of.out.exists()


def test_an_output_of_another_bundle_is_refused(job: Callable[..., Job], build_bundle: Callable) -> None:
    of = job(notes(3))
    run(of)
    other = build_bundle("A:1\tasthma\n").bundle.path
    with pytest.raises(JobError, match="bundle was [0-9a-f]{12}…, is [0-9a-f]{12}…. Choose another --out"):
        run(replace(of, annotate=replace(of.annotate, bundle=str(other))))


def test_a_folder_in_use_or_of_something_else_is_refused(job: Callable[..., Job]) -> None:
    of = job(notes(3))
    in_use = pytest.raises(JobError, match="another process is writing to it")
    with open_journal(of.out, {}), in_use, open_journal(of.out, {}):
        pass
    with open_journal(of.out, {"bundle": "b"}):  # no chunk was finished, and nothing is lost
        pass
    thesis = of.out.with_name("thesis")
    thesis.mkdir()
    (thesis / "chapter.tex").touch()
    with pytest.raises(JobError, match="is not empty and not the output of a job"):
        run(replace(of, out=thesis))


def test_an_output_that_cannot_be_written(job: Callable[..., Job], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JobError, match="file/out: cannot be written: Not a directory"):
        run(job(notes(1), out=tmp_path / "file/out"))
    with pytest.raises(JobError, match="file: is a file, expected a folder; choose another --out"):
        run(job(notes(1), out=tmp_path / "file"))
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.geteuid():
        with pytest.raises(JobError, match="locked/out: cannot be written: Permission denied"):
            run(job(notes(1), out=locked / "out"))


def test_a_full_disk_stops_the_job_and_nothing_is_lost(job: Callable[..., Job], tmp_path: Path) -> None:
    rows = notes(12)
    rows[6]["text"] = "asthma " * 3000
    of = job(rows, sink=JsonLinesSink())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))  # of any one file, for this process and its workers
    try:
        with pytest.raises(JobError, match="out: cannot be written: File too large. What is finished is kept"):
            run(of)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in (of.out / "notes").iterdir()] == ["00000-00000.jsonl"]
    assert run(of).notes == 8
    files = [file.read_text() for file in sorted((of.out / "notes").iterdir())]
    assert [json.loads(line)["note_id"] for line in "".join(files).splitlines()] == [row["note_id"] for row in rows]


def test_a_line_of_the_journal_cut_off_costs_its_chunk_alone(job: Callable[..., Job], chunks_done: list[str]) -> None:
    of = job(notes(12))
    run(of)
    before = written(of.out)
    journal = of.out / "job/finished.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    del chunks_done[:]
    journal.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    (of.out / "notes/.00000-00002.parquet.99.part").write_bytes(b"left by a kill")
    assert run(of).summary.notes == 12
    assert chunks_done == ["00000-00002"]
    assert written(of.out) == before
    assert len(list((of.out / "notes").iterdir())) == 3


def test_notes_of_every_kind_are_all_there(bundle: Path, job: Callable[..., Job]) -> None:
    rows = [
        *({"note_id": "same", "text": text} for text in ("asthma", "asthma", "MI")),
        {"note_id": None, "text": "asthma"},
        {"note_id": "null", "text": None},
        {"note_id": "empty", "text": ""},
        {"note_id": "nuls", "text": "\0" * 500},
        {"note_id": "long", "text": "word " * 2_000_000},
        {"note_id": "longer", "text": "a" * 10_000_001},
    ]
    of = job(rows, annotate=BatchAnnotator(str(bundle), detect=Detect.NAMES))  # a model takes minutes for the long one
    outcome = run(of)
    found = [json.loads(row) for row in written(of.out).elements()]
    assert sorted(str(row["note_id"]) for row in found) == sorted(str(row["note_id"]) for row in rows)
    assert {row["note_id"]: row["error"] for row in found if row["error"]} == {"null": "no_text", "longer": "too_long"}
    assert outcome.summary.errors == {"no_text": 1, "too_long": 1}
    assert sorted(len(row["mentions"]) for row in found) == [0] * 5 + [1] * 4


def test_too_many_errors_stop_the_job(job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    of = job([{"note_id": "a", "text": None}] * 8 + notes(4))
    with pytest.raises(JobError, match=r"4 of 4 notes have errors \(4 no_text\).* goes on with a higher --max"):
        run(replace(of, tolerance=Tolerance.parse("3")))
    assert run(replace(of, tolerance=Tolerance.parse("8"))).notes == 8
    with pytest.raises(JobError, match="8 of 12 notes have errors .* The job is finished"):
        run(replace(of, tolerance=Tolerance.parse("50%")))
    for wrong in ("many", "-1", "120%", "nan%"):
        with pytest.raises(InvalidInput, match="--max-errors: expected a share such as 5% or a count"):
            Tolerance.parse(wrong)


@pytest.mark.parametrize(
    "seen", [Summary(), Summary(mentions=3, concepts=Counter("a$x"), names=dict.fromkeys("a$x", "糖$"))]
)
def test_charts_of_nothing_and_of_other_scripts_are_drawn_without_a_warning(tmp_path: Path, seen: Summary) -> None:
    draw(seen, tmp_path / "report.png")
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_no_text_is_in_journal_or_report(job: Callable[..., Job]) -> None:
    of = job([{"note_id": "a", "text": "Mrs Quimby has asthma"}])
    run(of)
    for file in [*(of.out / "job").iterdir(), of.out / "report.md"]:
        assert b"Quimby" not in file.read_bytes()
