"""A bulk job: read what there is, annotate what is not finished, say what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import pyarrow as pa

from linker.bulk.annotator import BatchAnnotator
from linker.bulk.chunks import NOTES, Chunk, cut
from linker.bulk.fingerprint import fingerprint
from linker.bulk.journal import Journal, open_journal
from linker.bulk.local import annotate
from linker.bulk.report import Outcome, write_report
from linker.bulk.sink import Sink
from linker.bulk.source import Part, Source
from linker.bulk.tolerance import ANY, Tolerance
from linker.bulk.worker import Task, unwritable
from linker.console import progress
from linker.errors import JobError


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done.

    workers: processes. chunk_notes: notes of a chunk at most. tolerance: errors that may be.
    """

    source: Source
    annotate: BatchAnnotator
    sink: Sink
    out: Path
    workers: int
    chunk_notes: int = NOTES
    tolerance: Tolerance = ANY


def run(job: Job) -> Outcome:
    """Do all of a job that is not finished, and write its report.

    Raises `JobError`, `InvalidInput` and `BundleError`; what is finished then stays so.
    """
    parts = job.source.parts()
    task = Task(replace(job.annotate, keep_text=job.sink.needs_text), job.sink, job.out)
    what = fingerprint(job.source, parts, task.annotate, job.sink, chunk_notes=job.chunk_notes)
    try:
        with open_journal(job.out, what) as journal:
            outcome = _run(job, task, parts, journal)
            job.sink.finish(job.out)
            write_report(job.out, outcome)
    except OSError as error:
        raise JobError(unwritable(job.out, error)) from error
    job.tolerance.check(outcome.summary, is_over=True)
    return outcome


def _run(job: Job, task: Task, parts: Sequence[Part], journal: Journal) -> Outcome:
    done = journal.summary.notes
    left = _notes_left(job, parts, journal)
    workers = max(1, min(job.workers, left))
    started, mentions = perf_counter(), 0
    if left:
        with progress("Annotating", left, "notes") as advance:
            for written in annotate(_chunks(job, parts, journal), task, workers=workers):
                journal.finish_chunk(written.chunk, written.summary)
                mentions += written.summary.mentions
                rate, errors = mentions / (perf_counter() - started), journal.summary.errors.total()
                advance(written.summary.notes, f"{rate:,.0f} mentions/s, {errors:,} errors")
                job.tolerance.check(journal.summary)
    return Outcome(journal.summary, journal.summary.notes - done, perf_counter() - started, workers)


def _chunks(job: Job, parts: Sequence[Part], journal: Journal) -> Iterator[tuple[Chunk, pa.RecordBatch]]:
    """Those that are not finished, read when they are asked for."""
    for position, part in enumerate(parts):
        if journal.has_part(position):
            continue
        length = 0
        for notes in cut(job.source.read(part), job.chunk_notes):
            chunk = Chunk(position, length)
            length += 1
            if chunk not in journal.chunks:
                yield chunk, notes
        journal.finish_part(position, length)


def _notes_left(job: Job, parts: Sequence[Part], journal: Journal) -> int:
    """Parts that do not say how many they have are read once: what is wrong with one is known before the work."""
    unfinished = {position: part for position, part in enumerate(parts) if not journal.has_part(position)}
    unknown = [part for part in unfinished.values() if part.notes is None]
    left = sum(part.notes or 0 for part in unfinished.values())
    left -= sum(notes for chunk, notes in journal.chunks.items() if chunk.part in unfinished)
    if unknown:
        with progress("Reading", len(unknown), "parts") as advance:
            for part in unknown:
                left += sum(len(batch) for batch in job.source.read(part))
                advance(1)
    return left
