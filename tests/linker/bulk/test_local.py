"""Worker processes: every chunk is written once, whoever dies over it, and none is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from linker.bulk.annotator import BatchAnnotator
from linker.bulk.chunks import Chunk, cut
from linker.bulk.local import annotate
from linker.bulk.rows import batches_of, input_schema
from linker.bulk.sinks.parquet import ParquetSink
from linker.bulk.worker import Task, Written
from linker.errors import JobError, LinkerError

POISON, UNLUCKY = b"poison", b"unlucky"


@dataclass(frozen=True)
class Mortal:
    """An annotator whose process dies over some notes: of poison always, of bad luck once for each file in `luck`."""

    annotate: BatchAnnotator
    luck: Path

    def open(self) -> object:
        return self.annotate.open()

    def __call__(self, notes: pa.RecordBatch) -> pa.RecordBatch:
        for text, error in zip(notes.column("text").to_pylist(), notes.column("error").to_pylist(), strict=True):
            if error is None and (text == POISON or (text == UNLUCKY and self._has_bad_luck())):
                os.kill(os.getpid(), signal.SIGKILL)
        return self.annotate(notes)

    def _has_bad_luck(self) -> bool:
        left = next(self.luck.iterdir(), None)
        if left is not None:
            left.unlink()
        return left is not None


class Broken:
    """An annotator that ends its process, or says why not, when it is opened."""

    def __init__(self, message: str) -> None:
        self.message = message

    def open(self) -> None:
        if self.message:
            raise LinkerError(self.message)
        os._exit(3)


@dataclass(frozen=True)
class Lonely:
    """An annotator that one process can open, as where there is memory for one."""

    annotate: BatchAnnotator
    first: Path

    def open(self) -> None:
        try:
            self.first.touch(exist_ok=False)
        except FileExistsError:
            os._exit(137)
        self.annotate.open()

    def __call__(self, notes: pa.RecordBatch) -> pa.RecordBatch:
        time.sleep(0.2)
        return self.annotate(notes)


class Full(ParquetSink):
    """A sink whose disk is full, or whose process dies, when it writes."""

    def __init__(self, *, dies: bool) -> None:
        object.__setattr__(self, "dies", dies)

    def __reduce__(self) -> tuple:
        return _full, (self.dies,)

    def write(self, out: Path, chunk: Chunk, notes: pa.RecordBatch) -> None:
        if self.dies:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(28, "what it says")


def _full(dies: bool) -> Full:
    return Full(dies=dies)


def chunks(texts: list[bytes], size: int) -> Iterator[tuple[Chunk, pa.RecordBatch]]:
    rows = [{"note_id": str(n), "text": text} for n, text in enumerate(texts)]
    for number, notes in enumerate(cut(batches_of(rows, input_schema()), size)):
        yield Chunk(0, number), notes


def errors(out: Path) -> dict[str, str | None]:
    coded = pq.read_table(out / "notes").to_pylist()
    found = {row["note_id"]: row["error"] for row in coded}
    assert len(found) == len(coded)
    return found


@pytest.fixture
def luck(tmp_path: Path) -> Path:
    (tmp_path / "luck").mkdir()
    return tmp_path / "luck"


@pytest.fixture(autouse=True)
def nobody_is_left() -> Iterator[None]:
    yield
    assert not [child for child in multiprocessing.active_children() if child.name == "linker-bulk"]


def test_every_chunk_is_written_once_by_any_number_of_workers(bundle: Path, tmp_path: Path) -> None:
    task = Task(BatchAnnotator(str(bundle)), ParquetSink(), tmp_path)
    done = list(annotate(chunks([b"asthma"] * 23, 4), task, workers=2))
    assert sorted(written.chunk.number for written in done) == list(range(6))
    assert sum(written.summary.mentions for written in done) == 23
    assert errors(tmp_path) == {str(n): None for n in range(23)}
    assert list(annotate(iter(()), task, workers=1)) == []


def test_a_chunk_whose_worker_was_killed_is_done_again(bundle: Path, tmp_path: Path, luck: Path) -> None:
    (luck / "once").touch()
    task = Task(Mortal(BatchAnnotator(str(bundle)), luck), ParquetSink(), tmp_path)
    done = list(annotate(chunks([b"cold", UNLUCKY, b"cold", b"MI"], 2), task, workers=1))
    assert len(done) == 2
    assert set(errors(tmp_path).values()) == {None}


def test_a_note_that_ends_its_worker_is_found_and_the_others_are_done(bundle: Path, tmp_path: Path, luck: Path) -> None:
    (luck / "once").touch()
    task = Task(Mortal(BatchAnnotator(str(bundle)), luck), ParquetSink(), tmp_path)
    done = list(annotate(chunks([b"cold", b"MI", POISON, b"asthma", UNLUCKY, b"cold"], 3), task, workers=2))
    assert errors(tmp_path) == {"0": None, "1": None, "2": "worker_died", "3": None, "4": None, "5": None}
    total = done[0].summary + done[1].summary
    assert total.errors == {"worker_died": 1}
    assert total.mentions == 2


def test_a_job_goes_on_with_the_workers_there_is_memory_for(bundle: Path, tmp_path: Path) -> None:
    task = Task(Lonely(BatchAnnotator(str(bundle)), tmp_path / "first"), ParquetSink(), tmp_path)
    assert len(list(annotate(chunks([b"asthma"] * 30, 1), task, workers=2))) == 30


@pytest.mark.parametrize(
    ("how", "sink", "said"),
    [
        (Broken("the bundle is bad"), ParquetSink(), "the bundle is bad"),
        (Broken(""), ParquetSink(), "end before they are ready, the last with exit code 3"),
        (None, Full(dies=False), "cannot be written: No space left on device"),
        (None, Full(dies=True), "workers end while they write chunk 00000-00000"),
    ],
)
def test_what_no_worker_can_do_stops_the_job(
    bundle: Path, tmp_path: Path, how: object, sink: object, said: str
) -> None:
    task = Task(how or BatchAnnotator(str(bundle)), sink, tmp_path)
    with pytest.raises(JobError, match=said):
        list(annotate(chunks([b"cold"], 1), task, workers=1))


def test_who_stops_listening_leaves_no_worker(bundle: Path, tmp_path: Path) -> None:
    running = annotate(chunks([b"cold"] * 9, 1), Task(BatchAnnotator(str(bundle)), ParquetSink(), tmp_path), workers=1)
    assert isinstance(next(running), Written)
    running.close()
