"""The hierarchy of a bundle's concepts, memory-mapped: what is above a concept, what is below, what is nearest.

Parents and children of each concept are lists of rows, that is a graph in compressed sparse rows: 8 bytes a concept and
8 an edge on disk. Rows are in the order of concept ids, so an order by row is one by id. A build refuses circles.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from linker.columns import ints, slices

Rows = NDArray[np.int32]
_WALKS_KEPT = 4  # of 4 bytes a concept at most; whoever turns pages asks for one walk again and again


@dataclass(frozen=True, slots=True, eq=False)
class Relatives:
    """Concepts above or below one, nearest first, then by id. rows, distances: (n,) int32; distances are at least 1."""

    rows: Rows
    distances: Rows

    def __len__(self) -> int:
        return len(self.rows)


class _Lists:
    """A list of rows for each concept."""

    def __init__(self, array: pa.ListArray) -> None:
        self._begins, self._rows = ints(array.offsets), ints(array.values)

    def __len__(self) -> int:
        return len(self._begins) - 1

    def of(self, concept: int) -> list[int]:
        rows: list[int] = self._rows[self._begins[concept] : self._begins[concept + 1]].tolist()
        return rows

    def of_all(self, concepts: Rows) -> Rows:
        """What any of the concepts has, a row as often as they have it."""
        return slices(self._rows, self._begins[concepts], self._begins[concepts + 1])


class Hierarchy:
    """Who is above and below whom. Immutable and safe to share between threads."""

    def __init__(self, parents: pa.ListArray, children: pa.ListArray) -> None:
        """parents, children: of each concept the rows of those, ascending."""
        self._parents, self._children = _Lists(parents), _Lists(children)
        self._walked = lru_cache(_WALKS_KEPT)(_walk)

    def ancestors(self, concept: int, *, max_distance: int = 0) -> Relatives:
        """Every concept above the one at a row; 0 goes all the way."""
        return self._walked(self._parents, concept, max_distance)

    def descendants(self, concept: int, *, max_distance: int = 0) -> Relatives:
        """Every concept below the one at a row; 0 goes all the way."""
        return self._walked(self._children, concept, max_distance)

    def nearest(self, concept: int, members: Container[int]) -> int | None:
        """The concept itself if it is a member, or else its nearest ancestor that is, the first by id of those as near.

        None where no member is above it.
        """
        level, seen = [concept], {concept}
        while level:
            if found := [row for row in level if row in members]:
                return min(found)
            above = dict.fromkeys(parent for row in level for parent in self._parents.of(row))
            level = [row for row in above if row not in seen]
            seen.update(level)
        return None


def _walk(edges: _Lists, concept: int, max_distance: int) -> Relatives:
    """Breadth first, a whole level at a time."""
    seen = np.zeros(len(edges), dtype=np.bool_)
    seen[concept] = True
    levels = [np.array([concept], dtype=np.int32)]
    while len(levels[-1]) and (not max_distance or len(levels) <= max_distance):
        reached = edges.of_all(levels[-1])
        new = np.sort(reached[~seen[reached]])
        levels.append(new[np.append(True, new[1:] != new[:-1])] if len(new) else new)
        seen[new] = True
    distances = np.repeat(np.arange(1, len(levels), dtype=np.int32), [len(level) for level in levels[1:]])
    return Relatives(np.concatenate([np.zeros(0, np.int32), *levels[1:]]), distances)
