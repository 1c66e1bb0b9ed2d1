"""Notes as text files in UTF-8, a note a file, whose path below the folder of all of them is its id."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from linker.annotation import MAX_NOTE_LENGTH
from linker.bulk.files import file_part, files_of
from linker.bulk.rows import ERROR, NOTE_ID, TEXT, RowError, batches_of, input_schema
from linker.bulk.source import Columns, Part
from linker.errors import InvalidInput

SUFFIXES = (".txt",)
_BYTES_PER_CHARACTER = 4  # of UTF-8 at most


@dataclass(frozen=True, slots=True)
class TextSource:
    """Text files. There are no columns but the text and its id."""

    columns: ClassVar[Columns] = Columns()

    files: tuple[Path, ...]
    root: Path

    @classmethod
    def of(cls, inputs: Sequence[str], columns: Columns) -> TextSource:
        """The files that `inputs` mean. Raises `InvalidInput`."""
        if columns.others:
            field = "--keep" if columns.keep else "--spans-column"
            raise InvalidInput("text files have no columns but their text", field=field)
        files = files_of(inputs, SUFFIXES)
        return cls(files, Path(os.path.commonpath([file.parent for file in files])))

    @property
    def schema(self) -> pa.Schema:
        """See `Source`."""
        return input_schema()

    def parts(self) -> list[Part]:
        """See `Source`: one of all files, since there may be millions."""
        digest = hashlib.sha256()
        for file in self.files:
            part = file_part(file)
            digest.update(f"{part.name}\0{part.stamp}\0".encode())
        return [Part(str(self.root), f"{len(self.files):,} files, {digest.hexdigest()}", len(self.files))]

    def read(self, part: Part) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 - there is only one
        """See `Source`."""
        return batches_of(map(self._row, self.files), self.schema)

    def _row(self, file: Path) -> dict[str, object]:
        note_id = os.fsencode(file.relative_to(self.root)).decode(errors="replace")
        try:
            if file.stat().st_size > MAX_NOTE_LENGTH * _BYTES_PER_CHARACTER:
                return {NOTE_ID: note_id, ERROR: RowError.TOO_LONG}
            return {NOTE_ID: note_id, TEXT: file.read_bytes()}
        except OSError:
            return {NOTE_ID: note_id, ERROR: RowError.UNREADABLE}
