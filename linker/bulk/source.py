"""What every source gives: notes as Arrow rows, in parts that can be read apart from one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from linker.bulk.rows import SPANS


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the source has what: names of columns.

    keep: those that the output has, too, by their names. spans: where the mentions of a note are given, see
    `linker.bulk.rows.input_schema`; None for nowhere.
    """

    note_id: str = "note_id"
    text: str = "text"
    keep: tuple[str, ...] = ()
    spans: str | None = None

    @property
    def others(self) -> dict[str, str]:
        """Columns beside id and text, by the names that the notes have them under."""
        spans = {} if self.spans is None else {SPANS: self.spans}
        return spans | {name: name for name in self.keep}


@dataclass(frozen=True, slots=True)
class Part:
    """A file, or another piece of the input that is read from its beginning to its end.

    name: what it is called, unique in its source and the same every time. stamp: differs when its content does. notes:
    how many it has, None where only reading it tells. keys: first and last of a part of a
    table; of anything else, an empty range.
    """

    name: str
    stamp: str
    notes: int | None = None
    keys: tuple[int, int] = (0, -1)


class Source(Protocol):
    """Notes of one format. Sent to other processes as the few values it is made of."""

    @property
    def columns(self) -> Columns:
        """Where what is read stands; the default where the format says that itself."""

    @property
    def schema(self) -> pa.Schema:
        """Of all batches: `linker.bulk.rows.input_schema`. Raises `InvalidInput` where it takes a look at a file."""

    def parts(self) -> Sequence[Part]:
        """All parts, always in the same order. Raises `InvalidInput` naming what is not as expected."""

    def read(self, part: Part) -> Iterator[pa.RecordBatch]:
        """The notes of a part, always in the same order, in batches that fit into memory.

        A row that cannot be read is one with an error; `InvalidInput` names a part of which nothing more can be.
        """
