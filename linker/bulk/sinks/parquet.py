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
    """One file a chunk."""

    needs_text: ClassVar[bool] = False

    def write(self, out: Path, chunk: Chunk, notes: pa.RecordBatch) -> None:
        """See `Sink`."""
        publish_table(out / FOLDER / f"{chunk}.parquet", pa.Table.from_batches([notes]))

    def finish(self, out: Path) -> None:
        """See `Sink`: nothing takes all chunks."""


def publish_table(target: Path, table: pa.Table) -> None:
    """Publish a file, compressed with Zstandard. Raises OSError."""
    with publish_file(target) as file:
        pq.write_table(table, file, compression="zstd")
