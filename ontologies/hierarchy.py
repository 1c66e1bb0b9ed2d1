"""Finds circles in the hierarchy that concepts make of one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from linker.columns import slices
from ontologies.errors import SourceError
from ontologies.records import Concept

_SPELLED = 20  # concepts of a cycle that a message spells out


def circle_among(concepts: Iterable[tuple[Concept, str]]) -> SourceError | None:
    """The error for the first concept that is its own ancestor, if there is one. Linear in concepts and parents.

    concepts: of every source of a build, each with the path of its file; an id that occurs twice has the parents of
    both.
    """
    found: dict[str, list[tuple[Concept, str]]] = {}
    for concept, path in concepts:
        found.setdefault(concept.concept_id, []).append((concept, path))
    cycle = find_cycle({child: [p for concept, _ in at for p in concept.parents] for child, at in found.items()})
    return _closing(found, cycle) if cycle else None


def below_cycles(children: NDArray[np.int64], parents: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Which of the concepts 0 ... count-1 are on a cycle or below one, ascending; none in a hierarchy that is right.

    children, parents: the two ends of each edge. Kahn's algorithm (https://doi.org/10.1145/368996.369025), the concepts
    that have no parent left taken off all at once.
    """
    by_parent = np.argsort(parents, kind="stable")
    children, begins = children[by_parent], np.searchsorted(parents[by_parent], np.arange(count + 1))
    parents_left = np.bincount(children, minlength=count)
    free = np.flatnonzero(parents_left == 0)
    while len(free):
        reached, times = np.unique(slices(children, begins[free], begins[free + 1]), return_counts=True)
        parents_left[reached] -= times
        free = reached[parents_left[reached] == 0]
    return np.flatnonzero(parents_left)


def find_cycle(parents: Mapping[str, Sequence[str]]) -> list[str]:
    """The first cycle met on the way up from each concept in turn, child before parent; empty where there is none.

    Depth first with a stack of its own: real hierarchies are deeper than Python's recursion limit allows for.
    """
    done: set[str] = set()
    for root in parents:
        if root in done:
            continue
        way = [(root, iter(parents[root]))]  # from the root to here, each with the parents left to visit
        on_way = {root}
        while way:
            here, above = way[-1]
            parent = next(above, None)
            if parent is None:
                way.pop()
                on_way.remove(here)
                done.add(here)
            elif parent in on_way:
                names = [concept_id for concept_id, _ in way]
                return names[names.index(parent) :]
            elif parent not in done:
                way.append((parent, iter(parents.get(parent, ()))))
                on_way.add(parent)
    return []


def spelled(cycle: Sequence[str]) -> str:
    """A cycle as a message shows it: "A -> B -> A"."""
    cut = [*cycle[:_SPELLED], f"... ({len(cycle)} concepts)"]
    return " -> ".join([*cycle, cycle[0]] if len(cycle) <= _SPELLED else cut)


def _closing(found: Mapping[str, Sequence[tuple[Concept, str]]], cycle: Sequence[str]) -> SourceError:
    child, back_to = cycle[-1], cycle[0]
    concept, file = next(place for place in found[child] if back_to in place[0].parents)
    message = f"expected no concept to be its own ancestor, got {spelled(cycle)}"
    return SourceError(message, path=file, line=concept.line or None, field="parents")
