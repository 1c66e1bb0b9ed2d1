"""The parents of concepts, from the relationships between them, without circles.

The Metathesaurus keeps the hierarchy of each of its vocabularies. Together they have circles that none of them has: one
holds A above B, another B above A (Bodenreider, "Circular hierarchical relationships in the UMLS", AMIA 2001). Of
concepts on one circle none can be said to be the broader, so the parents that close circles are left out, all of those
within a strongly connected component, and counted.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ontologies.readers.options import Problems
from ontologies.readers.rrf import rows as rrf
from ontologies.records import Concept

# Of MRREL; RXNREL swaps RG and DIR, which are not read
REL = rrf.columns("CUI1 AUI1 STYPE1 REL CUI2 AUI2 STYPE2 RELA RUI SRUI SAB SL RG DIR SUPPRESS CVF")

CIRCULAR = "parent in a circle of concepts"

Ints = NDArray[np.int64]
Flags = memoryview  # a byte for each concept number


class ParentRule(NamedTuple):
    """Which relationships make parents: `column` says what the SECOND concept is to the first."""

    column: int
    parent: bytes
    child: bytes
    vocabulary: bytes = b""


def read_parents(
    path: Path,
    rule: ParentRule,
    *,
    wanted: Callable[[bytes, bytes], bool],
    check: Callable[[bytes, Path, int, str], int],
    kept: Flags,
    curie: Callable[[int], str],
    problems: Problems,
) -> Iterator[Concept]:
    """One record for each kept concept that has kept parents.

    wanted: whether relationships of that vocabulary and suppression count. check: the number of a concept id.
    """
    pairs = array("q")
    for line, fields in rrf.rows(path, REL, problems):
        kind = fields[rule.column]
        if kind not in (rule.parent, rule.child) or not wanted(fields[10], fields[14]):
            continue
        if rule.vocabulary not in (b"", fields[10]) or not (fields[0] and fields[4]):
            continue
        first, second = check(fields[0], path, line, "CUI1"), check(fields[4], path, line, "CUI2")
        if first != second and kept[first] and kept[second]:
            pairs.append((first << 32 | second) if kind == rule.parent else (second << 32 | first))
    packed = np.unique(np.frombuffer(pairs, dtype=np.int64))
    children, parents = packed >> 32, packed & 0xFFFFFFFF
    circular = in_circles(children, parents)
    if circular.any():
        problems.counts[CIRCULAR] += int(circular.sum())
        children, parents = children[~circular], parents[~circular]
    starts = np.flatnonzero(np.diff(children, prepend=-1)).tolist()
    for start, end in zip(starts, [*starts[1:], len(children)], strict=False):
        above = tuple(curie(number) for number in parents[start:end].tolist())
        yield Concept(concept_id=curie(int(children[start])), parents=above)


def in_circles(children: Ints, parents: Ints) -> NDArray[np.bool_]:
    """Which of the pairs lie within one strongly connected component."""
    left = np.arange(len(children))
    while True:  # a concept without parents, or without children, is on no circle
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
