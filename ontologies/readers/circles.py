"""Circles in a hierarchy that several vocabularies make together, where no row is wrong.

Of the concepts on a circle none can be said to be the broader, so that the parents to leave out are all that lie within
a strongly connected component.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CIRCULAR = "parent in a circle of concepts"  # counted under this name

_ROUNDS = 64  # hierarchies are less deep; what is left after them is not much

Ints = NDArray[np.int64]


def in_circles(children: Ints, parents: Ints) -> NDArray[np.bool_]:
    """Which of the pairs lie within one strongly connected component."""
    left = np.arange(len(children))
    for _ in range(_ROUNDS):  # a concept without parents, or without children, is on no circle
        on = np.isin(parents[left], children[left]) & np.isin(children[left], parents[left])
        if on.all():
            break
        left = left[on]
    circular = np.zeros(len(children), dtype=np.bool_)
    component = _components(children[left].tolist(), parents[left].tolist())
    for row in left.tolist():
        circular[row] = component[int(children[row])] == component[int(parents[row])]
    return circular


def _components(children: list[int], parents: list[int]) -> dict[int, int]:
    """The strongly connected component of each concept, by Tarjan's algorithm with a stack of its own."""
    above: dict[int, list[int]] = {}
    for child, parent in zip(children, parents, strict=True):
        above.setdefault(child, []).append(parent)
    seen: dict[int, int] = {}
    low: dict[int, int] = {}
    component: dict[int, int] = {}
    open_: list[int] = []
    for root, first in above.items():
        way = [] if root in seen else [(root, iter(first))]
        while way:
            here, ahead = way[-1]
            if here not in seen:
                seen[here] = low[here] = len(seen)
                open_.append(here)
            for parent in ahead:
                if parent not in seen:
                    way.append((parent, iter(above.get(parent, ()))))
                    break
                if parent not in component:
                    low[here] = min(low[here], seen[parent])
            else:
                way.pop()
                if way:
                    low[way[-1][0]] = min(low[way[-1][0]], low[here])
                while low[here] == seen[here] and here not in component:
                    component[open_.pop()] = here
    return component
