"""Records on disk: each kind as columns of a Parquet file, so that a release need not fit in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ontologies.errors import BuildError

_BUFFERED = 65_536  # rows held before they are written: a row group
_PLACE = {"path": pa.int32(), "line": pa.int64()}  # number of the source's path, and the line in it

# What is kept of each kind of record. `key` is the normalised name, `respelled` its other spellings, `rank` that of the
# term type, `origin` the number of the release that a row comes from.
SCHEMAS = {
    "concept": pa.schema({"concept_id": pa.string(), "definition": pa.string(), "retired": pa.bool_(), **_PLACE}),
    "semantic_type": pa.schema({"concept_id": pa.string(), "semantic_type": pa.string()}),
    "parent": pa.schema({"concept_id": pa.string(), "parent": pa.string(), **_PLACE}),
    "name": pa.schema(
        {
            "concept_id": pa.string(),
            "name": pa.string(),
            "key": pa.string(),
            "respelled": pa.list_(pa.string()),
            "language": pa.string(),
            "rank": pa.int8(),
            "origin": pa.int32(),
            **_PLACE,
        }
    ),
    "code": pa.schema(
        {
            "concept_id": pa.string(),
            "system": pa.string(),
            "code": pa.string(),
            "relation": pa.string(),
            "origin": pa.int32(),
            "confidence": pa.float32(),
            **_PLACE,
        }
    ),
    "replacement": pa.schema(
        {"concept_id": pa.string(), "replaced_by": pa.string(), "relation": pa.string(), **_PLACE}
    ),
}


class Spill:
    """The rows of one kind, written as they come. Their first column, `seq`, counts them."""

    def __init__(self, kind: str, folder: Path) -> None:
        """Start the file of `kind` (see `SCHEMAS`) in `folder`. Raises OSError."""
        self.path = folder / f"{kind}.parquet"
        self._schema = SCHEMAS[kind].insert(0, pa.field("seq", pa.int64()))
        self._rows: list[tuple[Any, ...]] = []
        self._written = 0
        self._writer = pq.ParquetWriter(self.path, self._schema, compression="zstd")

    def append(self, row: tuple[Any, ...]) -> None:
        """Add a row, in the order of the schema. Raises `BuildError` where it cannot be written."""
        self._rows.append(row)
        if len(self._rows) >= _BUFFERED:
            self._flush()

    def close(self) -> None:
        """Write what is left. Raises `BuildError` where it cannot be written."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            seq = np.arange(self._written, self._written + len(self._rows))
            columns = (seq, *zip(*self._rows, strict=True))
            arrays = [pa.array(column, type=field.type) for column, field in zip(columns, self._schema, strict=True)]
            try:
                self._writer.write_batch(pa.record_batch(arrays, schema=self._schema))
            except OSError as error:
                raise BuildError(f"{self.path}: cannot write the records: {error}") from error
            self._written += len(self._rows)
            self._rows.clear()
