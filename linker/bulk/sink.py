"""What every sink does: write the coded notes of one chunk, all of them or none."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Protocol

import pyarrow as pa

from linker.bulk.chunks import Chunk


class Sink(Protocol):
    """Coded notes in one format. Sent to other processes as the few values it is made of.

    needs_text: whether `write` needs the text of the notes, see `linker.bulk.annotator.BatchAnnotator.keep_text`.
    """

    needs_text: ClassVar[bool]

    def write(self, out: Path, chunk: Chunk, notes: pa.RecordBatch) -> None:
        """Publish the files of one chunk under `out`, named after it, each by a rename. Again, it replaces them.

        notes: rows of `linker.bulk.rows.output_schema`. Raises OSError, and `InvalidInput` where the format
        cannot hold such notes.
        """

    def finish(self, out: Path) -> None:
        """Do what takes all chunks, when they are all there. Again, it changes nothing. Raises OSError."""
