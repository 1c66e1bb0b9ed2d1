"""The crosswalk of a bundle, memory-mapped: the codes of a concept in other vocabularies, and who has a code."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from linker.columns import Strings, ints, rows_of, utf8
from linker.records import Code

EXACT = "skos:exactMatch"

_Key = tuple[bytes, bytes]


class Crosswalk:
    """Which concept has which code. Immutable and safe to share between threads."""

    def __init__(self, columns: Mapping[str, pa.Array], by_code: pa.Array) -> None:
        """columns: of crosswalk.arrow, whose concepts ascend. by_code: its rows in the order of system and code."""
        self._columns = columns
        self._concepts = ints(columns["concept"])
        self._keys = _Keys(Strings(columns["system"]), Strings(columns["code"]), ints(by_code))

    def codes(self, concept: int, systems: Collection[str] = ()) -> tuple[Code, ...]:
        """Codes of the concept at a row, by system and code; of these systems, or of all where none is given."""
        rows = rows_of(concept, self._concepts)
        return tuple(self._code(row) for row in rows if not systems or self._columns["system"][row].as_py() in systems)

    def concepts(self, system: str, code: str) -> list[tuple[int, Code]]:
        """Rows of the concepts that have this code, in the order of their ids, each with what it is to the code."""
        first = (utf8(system), utf8(code))
        begin, end = self._keys.range(first, (first[0], first[1] + b"\x00"))
        return [(int(self._concepts[row]), self._code(row)) for row in self._keys.rows(begin, end)]

    def has(self, system: str) -> bool:
        """Whether any concept has a code in this system."""
        begin, end = self._system(utf8(system))
        return begin < end

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """The systems of all codes, sorted."""
        found, place = [], 0
        while place < len(self._keys):
            system = self._keys[place][0]
            found.append(system.decode())
            place = self._system(system)[1]
        return tuple(found)

    def with_code_in(self, systems: Collection[str]) -> NDArray[np.int32]:
        """Rows of the concepts that have a code in one of these systems."""
        hits = pc.is_in(self._columns["system"], value_set=pa.array(sorted(systems), pa.string()))
        rows: NDArray[np.int32] = self._concepts[hits.to_numpy(zero_copy_only=False).astype(np.bool_)]
        return rows

    def pairs(self) -> zip[tuple[str, str, int]]:
        """System, code and concept row of every code."""
        return zip(*(self._columns[name].to_pylist() for name in ("system", "code", "concept")), strict=True)

    def _code(self, row: int) -> Code:
        return Code(*(self._columns[name][row].as_py() for name in ("system", "code", "relation", "source")))

    def _system(self, system: bytes) -> tuple[int, int]:
        return self._keys.range((system, b""), (system + b"\x00", b""))


class _Keys(Sequence[_Key]):
    """System and code of the crosswalk's rows, in their order."""

    def __init__(self, systems: Strings, codes: Strings, rows: NDArray[np.int32]) -> None:
        self._systems, self._codes, self._rows = systems, codes, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> _Key:  # type: ignore[override]  # slices are not needed
        row = self._rows[place]
        return self._systems[row], self._codes[row]

    def range(self, first: _Key, past: _Key) -> tuple[int, int]:
        begin = bisect_left(self, first)
        return begin, bisect_left(self, past, lo=begin)

    def rows(self, begin: int, end: int) -> list[int]:
        found: list[int] = self._rows[begin:end].tolist()
        return found
