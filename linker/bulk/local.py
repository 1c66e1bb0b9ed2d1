"""The local engine: worker processes, started fresh (FAISS and ONNX Runtime do not survive a fork), one thread each.

A worker holds one chunk at a time, and the next is read when one is done: memory does not grow with the input. Where a
worker ends with a chunk unfinished (killed, or out of memory) a fresh one does the chunk again, and where that ends as
well, note by note. A note that has then ended two workers has the error `worker_died`, and the others are done. Where
workers end before they begin, the job goes on with those that have begun, if there are any.
"""

from __future__ import annotations

import logging
import multiprocessing
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

import pyarrow as pa

from linker.bulk.chunks import Chunk
from linker.bulk.rows import ERROR, RowError
from linker.bulk.worker import Answer, Begun, Order, Ready, Stopped, Task, Written, work
from linker.errors import JobError

_TRIES = 2  # of a chunk as a whole, and of a note by itself
_STARTS = 3  # workers in a row that end before they are ready, and no chunk is written in between
_log = logging.getLogger(__name__)

_spawn = multiprocessing.get_context("spawn")


@dataclass(slots=True)
class _Unfinished:
    """A chunk that is to be done, and how often a worker ended with it: as a whole, and at each note when watched.

    row: the note in work, None before the first and after the last.
    """

    chunk: Chunk
    notes: pa.RecordBatch
    deaths: int = 0
    deaths_at: Counter[int | None] = field(default_factory=Counter)
    row: int | None = None

    def order(self) -> Order:
        self.row = None
        return Order(self.chunk, self.notes, is_watched=self.deaths >= _TRIES)

    def died(self) -> None:
        """A worker ended with it. Raises `JobError` where that is not for one of its notes."""
        if self.deaths < _TRIES:
            self.deaths += 1
            return
        self.deaths_at[self.row] += 1
        if self.deaths_at[self.row] < _TRIES:
            return
        if self.row is None:
            raise JobError(f"workers end while they write chunk {self.chunk}; is there memory for --workers so many?")
        errors = self.notes.column(ERROR).to_pylist()
        errors[self.row] = RowError.WORKER_DIED
        column = self.notes.schema.get_field_index(ERROR)
        self.notes = self.notes.set_column(column, ERROR, pa.array(errors, pa.string()))


@dataclass(slots=True, eq=False)
class _Worker:
    process: SpawnProcess
    pipe: Connection
    is_ready: bool = False
    at: _Unfinished | None = None

    @classmethod
    def start(cls, task: Task) -> _Worker:
        here, there = _spawn.Pipe()
        process = _spawn.Process(target=work, args=(there, task), name="linker-bulk", daemon=True)
        process.start()
        there.close()  # so that its end is seen here
        return cls(process, here)

    def give(self, unfinished: _Unfinished) -> None:
        self.at = unfinished
        with suppress(OSError):  # it has just ended, which the next reading of the pipe tells
            self.pipe.send(unfinished.order())

    def end(self) -> int | None:
        """End it, whatever it does, and give its exit code."""
        self.process.kill()
        self.process.join()
        self.pipe.close()
        return self.process.exitcode


def annotate(chunks: Iterable[tuple[Chunk, pa.RecordBatch]], task: Task, *, workers: int) -> Iterator[Written]:
    """Annotate and write chunks with so many processes; each is told when it is on disk, in any order.

    Raises `JobError` where no worker can go on. However it ends, no worker is left.
    """
    engine = _Engine(chunks, task)
    try:
        engine.start(workers)
        yield from engine.run()
    finally:
        engine.close()


class _Engine:
    def __init__(self, chunks: Iterable[tuple[Chunk, pa.RecordBatch]], task: Task) -> None:
        self._chunks, self._task = iter(chunks), task
        self._again: deque[_Unfinished] = deque()
        self._workers: list[_Worker] = []
        self._failed_starts = 0
        self._is_exhausted = False

    def start(self, workers: int) -> None:
        self._workers += [_Worker.start(self._task) for _ in range(workers)]

    def close(self) -> None:
        for worker in self._workers:
            worker.end()

    def run(self) -> Iterator[Written]:
        while not self._is_exhausted or self._again or any(worker.at for worker in self._workers):
            busy = [worker for worker in self._workers if worker.at or not worker.is_ready]
            for pipe in wait([worker.pipe for worker in busy]):
                worker = next(worker for worker in busy if worker.pipe is pipe)
                answer = self._answer(worker)
                if isinstance(answer, Written):
                    yield answer
                self._employ()

    def _answer(self, worker: _Worker) -> Answer | None:
        """What a worker says; None where it has ended."""
        try:
            answer: Answer = worker.pipe.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return None
        match answer:
            case Ready():
                worker.is_ready, self._failed_starts = True, 0
            case Begun(row) if worker.at:
                worker.at.row = row
            case Written():
                worker.at, self._failed_starts = None, 0
            case Stopped(message):
                raise JobError(message)
        return answer

    def _employ(self) -> None:
        """Give every idle worker a chunk, while there are any."""
        for worker in self._workers:
            if worker.is_ready and not worker.at and (unfinished := self._next()):
                worker.give(unfinished)

    def _next(self) -> _Unfinished | None:
        if self._again:
            return self._again.popleft()
        following = next(self._chunks, None)
        self._is_exhausted = following is None
        return following and _Unfinished(*following)

    def _replace(self, worker: _Worker) -> None:
        code = worker.end()
        if worker.at:
            worker.at.died()
            self._again.append(worker.at)
        elif not worker.is_ready:
            self._failed_starts += 1
        self._workers.remove(worker)
        if self._failed_starts < _STARTS:
            self._workers.append(_Worker.start(self._task))
            return
        told = f"workers end before they are ready, the last with exit code {code}; for want of memory?"
        if not self._workers:
            raise JobError(f"{told} Then use fewer --workers")
        self._failed_starts = 0
        _log.warning("%s The job goes on with %d", told, len(self._workers))
