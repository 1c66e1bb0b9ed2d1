"""A process that annotates chunks and writes them: what the driver orders, one at a time, and answers over a pipe."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter

import pyarrow as pa

from linker.bulk.annotator import BatchAnnotator
from linker.bulk.chunks import Chunk
from linker.bulk.sink import Sink
from linker.bulk.summary import Summary
from linker.errors import LinkerError


@dataclass(frozen=True, slots=True)
class Task:
    """What every worker of a job does with every chunk."""

    annotate: BatchAnnotator
    sink: Sink
    out: Path


@dataclass(frozen=True, slots=True)
class Order:
    """A chunk to annotate and write. is_watched: note by note, each told before it is begun."""

    chunk: Chunk
    notes: pa.RecordBatch
    is_watched: bool = False


@dataclass(frozen=True, slots=True)
class Ready:
    """The bundle is open."""


@dataclass(frozen=True, slots=True)
class Begun:
    """This row of a watched chunk is next; None when all are done."""

    row: int | None


@dataclass(frozen=True, slots=True)
class Written:
    """The chunk is written."""

    chunk: Chunk
    summary: Summary


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing that this or another worker may do will help."""

    message: str


Answer = Ready | Begun | Written | Stopped


def work(orders: Connection, task: Task) -> None:
    """Carry out orders until the pipe is closed, or the driver is dead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the driver has it, too, and ends its workers
    threading.Thread(target=_end_with_driver, daemon=True).start()
    try:
        task.annotate.open()
    except LinkerError as error:
        orders.send(Stopped(str(error)))
        return
    orders.send(Ready())
    while True:
        try:
            order: Order = orders.recv()
        except EOFError:
            return
        try:
            orders.send(Written(order.chunk, _carried_out(order, task, orders)))
        except OSError as error:
            orders.send(Stopped(unwritable(task.out, error)))
        except LinkerError as error:
            orders.send(Stopped(str(error)))


def unwritable(out: Path, error: OSError) -> str:
    """What to say where an output cannot be written."""
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return f"{out}: cannot be written: {reason}. What is finished is kept; once it can be, the same command goes on"


def _end_with_driver() -> None:
    """A killed driver ends no process, and a chunk written after the next driver began would be in its way."""
    driver = parent_process()
    if driver is not None:
        driver.join()
    os._exit(1)


def _carried_out(order: Order, task: Task, orders: Connection) -> Summary:
    started = perf_counter()
    if order.is_watched:
        coded = pa.concat_batches([task.annotate(note) for note in _one_by_one(order.notes, orders)])
    else:
        coded = task.annotate(order.notes)
    task.sink.write(task.out, order.chunk, coded)
    return Summary.of(coded, busy_s=perf_counter() - started)


def _one_by_one(notes: pa.RecordBatch, orders: Connection) -> Iterator[pa.RecordBatch]:
    for row in range(len(notes)):
        orders.send(Begun(row))
        yield notes.slice(row, 1)
    orders.send(Begun(None))
