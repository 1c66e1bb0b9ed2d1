"""Coded notes as Parquet, a row a note: `OUT/notes/*.parquet`, a data set that pandas, DuckDB and Spark read as one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from linker.bulk.chunks import Chunk
from linker.publishing import publish_file

FOLDER = "notes"


@dataclass(frozen=True, slots=True)
class ParquetSink:
    """One file a chunk, compressed with Zstandard."""

    needs_text: ClassVar[bool] = False

    def write(self, out: Path, chunk: Chunk, notes: pa.RecordBatch) -> None:
        """See `Sink`."""
        with publish_file(out / FOLDER / f"{chunk}.parquet") as file:
            pq.write_table(pa.Table.from_batches([notes]), file, compression="zstd")

    def finish(self, out: Path) -> None:
        """See `Sink`: nothing takes all chunks."""
