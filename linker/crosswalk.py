"""The crosswalk of a bundle, memory-mapped: the codes of a concept in other vocabularies, and who has a code."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from linker.columns import Strings, ints, rows_of, utf8
from linker.records import Code

EXACT = "skos:exactMatch"
_CODE = ("system", "code", "relation", "source", "confidence")


class Crosswalk:
    """Which concept has which code. Immutable and safe to share between threads."""

    def __init__(self, columns: Mapping[str, pa.Array], by_code: pa.Array) -> None:
        """columns: of crosswalk.arrow, whose concepts ascend. by_code: its rows in the order of system and code."""
        self._columns = columns
        self._concepts = ints(columns["concept"])
        self._codes = Strings(columns["code"])
        self._by_code = ints(by_code)

    def codes(self, concept: int, systems: Collection[str] = ()) -> tuple[Code, ...]:
        """Codes of the concept at a row, by system and code; of these systems, or of all where none is given."""
        rows = rows_of(concept, self._concepts)
        return tuple(self._code(row) for row in rows if not systems or self._columns["system"][row].as_py() in systems)

    def concepts(self, system: str, code: str) -> list[tuple[int, Code]]:
        """Rows of the concepts that have this code, in the order of their ids, each with what it is to the code."""
        begin, end = self._places.get(system, (0, 0))
        rows, key = self._by_code[begin:end], utf8(code)
        first = bisect_left(rows, key, key=self._codes.__getitem__)
        past = bisect_right(rows, key, lo=first, key=self._codes.__getitem__)
        return [(int(self._concepts[row]), self._code(row)) for row in rows[first:past].tolist()]

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems of all codes, sorted."""
        return tuple(self._places)

    @cached_property
    def _places(self) -> dict[str, tuple[int, int]]:
        """Where in the order by code each system begins and ends."""
        systems, places, begin = Strings(self._columns["system"]), {}, 0
        while begin < len(self._by_code):
            system = systems[self._by_code[begin]]
            end = bisect_right(self._by_code, system, lo=begin, key=systems.__getitem__)
            places[system.decode()] = (begin, end)
            begin = end
        return places

    def with_code_in(self, systems: Collection[str]) -> NDArray[np.int32]:
        """Rows of the concepts that have a code in one of these systems."""
        hits = pc.is_in(self._columns["system"], value_set=pa.array(sorted(systems), pa.string()))
        rows: NDArray[np.int32] = self._concepts[hits.to_numpy(zero_copy_only=False).astype(np.bool_)]
        return rows

    def pairs(self) -> zip[tuple[str, str, int]]:
        """System, code and concept row of every code."""
        return zip(*(self._columns[name].to_pylist() for name in ("system", "code", "concept")), strict=True)

    def _code(self, row: int) -> Code:
        system, code, relation, source, sure = (self._columns[name][row].as_py() for name in _CODE)
        return Code(system, code, relation, source, None if sure is None else round(sure, 6))  # it was float32
