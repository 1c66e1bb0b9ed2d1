"""What sources of rows in text files have in common: columns by their names, values that are all text."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import pyarrow as pa

from linker.bulk.files import file_part, files_of
from linker.bulk.rows import batches_of, input_schema
from linker.bulk.source import Columns, Part


@dataclass(frozen=True, slots=True)
class TabularSource(ABC):
    """Files, plain or compressed. Folders of a partitioned data set have values as columns do."""

    suffixes: ClassVar[tuple[str, ...]]

    files: tuple[Path, ...]
    columns: Columns

    @classmethod
    def of(cls, inputs: Sequence[str], columns: Columns) -> Self:
        """The files that `inputs` mean. Raises `InvalidInput`."""
        return cls(files_of(inputs, cls.suffixes), columns)

    @property
    def schema(self) -> pa.Schema:
        """See `Source`."""
        return input_schema([pa.field(name, pa.string()) for name in self.columns.others])

    def parts(self) -> list[Part]:
        """See `Source`: one for each file."""
        return [file_part(file) for file in self.files]

    def read(self, part: Part) -> Iterator[pa.RecordBatch]:
        """See `Source`."""
        return batches_of(self.rows(Path(part.name)), self.schema)

    @abstractmethod
    def rows(self, file: Path) -> Iterator[dict[str, object]]:
        """The notes of a file, or an error where a row is none. Raises `InvalidInput`."""
