"""A job's notes in chunks: what one worker annotates at a time, what one file holds, what is redone after a kill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from linker.bulk.rows import TEXT

NOTES = 512  # of a chunk at most
_BYTES = 1 << 22  # of text of a chunk, or one note


@dataclass(frozen=True, slots=True, order=True)
class Chunk:
    """Which notes: the `number`-th chunk of the `part`-th part of the source, both counted from 0."""

    part: int
    number: int

    def __str__(self) -> str:
        return f"{self.part:05d}-{self.number:05d}"


def cut(batches: Iterable[pa.RecordBatch], notes: int = NOTES) -> Iterator[pa.RecordBatch]:
    """The notes of a part in chunks, the same every time: of at most `notes` notes and 4 MiB of text, or one note."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        begin = 0
        for row, length in enumerate(pc.binary_length(batch.column(TEXT)).fill_null(0).to_pylist()):
            if rows and (rows == notes or size + length > _BYTES):
                yield pa.concat_batches([*held, batch.slice(begin, row - begin)])
                held, begin, rows, size = [], row, 0, 0
            rows, size = rows + 1, size + length
        held.append(batch.slice(begin))
    if rows:
        yield pa.concat_batches(held)
