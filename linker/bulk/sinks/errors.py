"""Notes with an error, for formats that have no place for them: `OUT/errors/*.jsonl`, an id and its error a line."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from linker.bulk.chunks import Chunk
from linker.bulk.rows import ERROR, NOTE_ID
from linker.bulk.sinks.lines import publish_lines

FOLDER = "errors"


def write_errors(out: Path, chunk: Chunk, notes: pa.RecordBatch) -> None:
    """Publish those of a chunk. Raises OSError."""
    pairs = zip(notes.column(NOTE_ID).to_pylist(), notes.column(ERROR).to_pylist(), strict=True)
    errors = [{NOTE_ID: note_id, ERROR: error} for note_id, error in pairs if error is not None]
    publish_lines(out / FOLDER / f"{chunk}.jsonl", errors)
