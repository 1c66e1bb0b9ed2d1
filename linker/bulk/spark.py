"""Bulk on Spark: the annotator over a DataFrame, by `mapInArrow`. Needs the extra `spark` where it is called from.

    notes = spark.read.parquet("hdfs:///notes")
    annotate(notes, BatchAnnotator("/bundles/my-bundle")).write.parquet("hdfs:///coded")

The bundle is a folder on every executor. Each Python worker opens it once; its files are memory-mapped, so that those
of one machine share them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from linker.bulk.annotator import BatchAnnotator
from linker.bulk.chunks import cut
from linker.bulk.rows import NOTE_ID, TEXT, output_schema
from linker.bulk.source import Columns

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def annotate(notes: DataFrame, how: BatchAnnotator, *, columns: Columns = Columns()) -> DataFrame:  # noqa: B008 - frozen
    """Coded notes, rows of `linker.bulk.rows.output_schema`, in the partitions and the order of the notes."""
    from pyspark.sql.functions import col
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    chosen = notes.select(
        col(columns.note_id).cast("string").alias(NOTE_ID),
        col(columns.text).alias(TEXT),
        *(col(place).alias(name) for name, place in columns.others.items()),
    )
    schema = output_schema(to_arrow_schema(chosen.schema), keep_text=how.keep_text)
    return chosen.mapInArrow(over_batches(how), from_arrow_schema(schema))


def over_batches(how: BatchAnnotator) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """What runs in the Python worker of an executor, over the batches of a partition, whatever their size."""
    return lambda batches: map(how, cut(batches))
