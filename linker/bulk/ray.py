"""Bulk on Ray: the annotator over a Dataset, by `map_batches`. Needs the extra `ray` where it is called from.

    notes = ray.data.read_parquet("s3://clinic/notes")
    annotate(notes, BatchAnnotator("/bundles/my-bundle"), workers=64).write_parquet("s3://clinic/coded")

The bundle is a folder on every node. Each worker is an actor of one CPU that opens it once; its files are
memory-mapped, so that those of one machine share them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from linker.bulk.annotator import BatchAnnotator
from linker.bulk.chunks import NOTES, cut
from linker.bulk.rows import NOTE_ID, TEXT
from linker.bulk.source import Columns

if TYPE_CHECKING:
    from ray.data import Dataset


def annotate(notes: Dataset, how: BatchAnnotator, *, workers: int, columns: Columns = Columns()) -> Dataset:  # noqa: B008 - frozen
    """Coded notes, rows of `linker.bulk.rows.output_schema`."""
    from ray.data import ActorPoolStrategy

    return notes.map_batches(
        Worker,
        fn_constructor_args=(how, columns),
        batch_format="pyarrow",
        batch_size=NOTES,
        compute=ActorPoolStrategy(size=workers),
        num_cpus=1,
    )


class Worker:
    """What runs in an actor."""

    def __init__(self, how: BatchAnnotator, columns: Columns) -> None:
        how.open()
        self._how, self._columns = how, columns

    def __call__(self, notes: pa.Table) -> pa.Table:
        """Coded notes of a batch, whatever its size."""
        others = self._columns.others
        chosen = notes.select([self._columns.note_id, self._columns.text, *others.values()])
        chosen = chosen.rename_columns([NOTE_ID, TEXT, *others])
        chosen = chosen.set_column(0, NOTE_ID, chosen.column(NOTE_ID).cast(pa.string()))
        return pa.Table.from_batches([self._how(batch) for batch in cut(chosen.to_batches())])
