"""Coded notes as JSON lines, an object a note: `OUT/notes/*.jsonl`. Nulls, and lists of nothing, are there as such."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from linker.bulk.chunks import Chunk
from linker.publishing import publish_file

FOLDER = "notes"


@dataclass(frozen=True, slots=True)
class JsonLinesSink:
    """One file a chunk. Dates, times and decimals are written as text."""

    needs_text: ClassVar[bool] = False

    def write(self, out: Path, chunk: Chunk, notes: pa.RecordBatch) -> None:
        """See `Sink`."""
        with publish_file(out / FOLDER / f"{chunk}.jsonl") as file, file.open("w", encoding="utf-8") as stream:
            for row in notes.to_pylist():
                stream.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")

    def finish(self, out: Path) -> None:
        """See `Sink`: nothing takes all chunks."""
