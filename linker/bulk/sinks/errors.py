"""Notes with an error, for formats that have no place for them: `OUT/errors/*.jsonl`, an id and its error a line."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from linker.bulk.chunks import Chunk
from linker.bulk.rows import ERROR, NOTE_ID
from linker.publishing import publish_file

FOLDER = "errors"


def write_errors(out: Path, chunk: Chunk, notes: pa.RecordBatch) -> None:
    """Publish those of a chunk, where there are any; none stay of a chunk that is written again without."""
    target = out / FOLDER / f"{chunk}.jsonl"
    pairs = zip(notes.column(NOTE_ID).to_pylist(), notes.column(ERROR).to_pylist(), strict=True)
    lines = [json.dumps({NOTE_ID: note_id, ERROR: error}) + "\n" for note_id, error in pairs if error is not None]
    if lines:
        with publish_file(target) as file:
            file.write_text("".join(lines), "utf-8")
    else:
        target.unlink(missing_ok=True)
