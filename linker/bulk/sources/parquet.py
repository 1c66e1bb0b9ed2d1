"""Notes as Parquet. Kept columns have the type that they have in the first file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from linker.bulk.files import check_columns, file_part, files_of, folder_values
from linker.bulk.rows import ERROR, NOTE_ID, TEXT, input_schema
from linker.bulk.source import Columns, Part
from linker.errors import InvalidInput

SUFFIXES = (".parquet", ".pq")
_ROWS = 16  # of a batch: notes of any length have to fit into memory, as many at once
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class ParquetSource:
    """Parquet files; a column may also be one of the folders of a partitioned data set, and is text then."""

    files: tuple[Path, ...]
    columns: Columns

    @classmethod
    def of(cls, inputs: Sequence[str], columns: Columns) -> ParquetSource:
        """The files that `inputs` mean. Raises `InvalidInput`."""
        return cls(files_of(inputs, SUFFIXES), columns)

    @property
    def schema(self) -> pa.Schema:
        """See `Source`."""
        with parquet_file(self.files[0]) as first:
            stored = first.schema_arrow
        check_columns(self.columns, [*stored.names, *folder_values(self.files[0])], self.files[0])
        types = {field.name: field.type for field in stored}
        return input_schema(
            [pa.field(name, types.get(place, pa.string())) for name, place in self.columns.others.items()]
        )

    def parts(self) -> list[Part]:
        """See `Source`: one for each file."""
        parts = []
        for path in self.files:
            part = file_part(path)
            with parquet_file(path) as file:
                check_columns(self.columns, [*file.schema_arrow.names, *folder_values(path)], path)
                _check_text(file.schema_arrow, self.columns.text, path)
                parts.append(Part(part.name, part.stamp, file.metadata.num_rows))
        return parts

    def read(self, part: Part) -> Iterator[pa.RecordBatch]:
        """See `Source`."""
        path, schema = Path(part.name), self.schema
        folders = folder_values(path)
        try:
            with parquet_file(path) as file:
                asked = {self.columns.note_id, self.columns.text, *self.columns.others.values()}
                stored = [name for name in file.schema_arrow.names if name in asked]
                for batch in file.iter_batches(batch_size=_ROWS, columns=stored, use_threads=False):
                    yield self._batch(batch, folders, schema)
        except (OSError, pa.ArrowException) as error:
            raise InvalidInput(f"cannot be read to its end ({type(error).__name__})", field=str(path)) from error

    def _batch(self, stored: pa.RecordBatch, folders: dict[str, str], schema: pa.Schema) -> pa.RecordBatch:
        def column(name: str, wanted: pa.DataType) -> pa.Array:
            if name not in stored.schema.names:
                return pa.repeat(pa.scalar(folders[name]), len(stored))
            values = stored.column(name)
            # Half-read dictionaries have no cast to bytes; strings do, and are not looked into.
            if pa.types.is_dictionary(values.type):
                values = values.dictionary_decode()
            return values.cast(wanted)

        places = {NOTE_ID: self.columns.note_id, TEXT: self.columns.text, **self.columns.others}
        columns = [
            pa.nulls(len(stored), field.type) if field.name == ERROR else column(places[field.name], field.type)
            for field in schema
        ]
        return pa.RecordBatch.from_arrays(columns, schema=schema)


def parquet_file(path: Path) -> pq.ParquetFile:
    """A file, opened. Raises `InvalidInput`."""
    try:
        return pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False)
    except (OSError, pa.ArrowException) as error:
        message = f"expected a Parquet file, complete ({type(error).__name__}); --from says another format"
        raise InvalidInput(message, field=str(path)) from error


def _check_text(stored: pa.Schema, name: str, path: Path) -> None:
    kind = stored.field(name).type if name in stored.names else pa.string()  # of a folder
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    of_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_binary)
    if not any(is_text(kind) for is_text in (*of_text, pa.types.is_large_binary, pa.types.is_null)):
        raise InvalidInput(f"{name}: expected strings, has {kind}; --text says where they are", field=str(path))
