"""The parents of concepts, from the relationships between them, without circles.

The Metathesaurus keeps the hierarchy of each of its vocabularies. Together they have circles that none of them has: one
holds A above B, another B above A (Bodenreider, "Circular hierarchical relationships in the UMLS", AMIA 2001). They
are in every release, so that they are no error of a row: parents on circles are left out and counted.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ontologies.readers.circles import CIRCULAR, in_circles
from ontologies.readers.options import Problems
from ontologies.readers.rrf import rows as rrf
from ontologies.records import Concept

# Of MRREL; RXNREL swaps RG and DIR, which are not read
REL = rrf.columns("CUI1 AUI1 STYPE1 REL CUI2 AUI2 STYPE2 RELA RUI SRUI SAB SL RG DIR SUPPRESS CVF")

Flags = memoryview  # a byte for each concept number


class ParentRule(NamedTuple):
    """Which relationships make parents: `column` says what the SECOND concept is to the first.

    vocabularies: those whose relationships do, None for all.
    """

    column: int
    parent: bytes
    child: bytes
    vocabularies: frozenset[bytes] | None = None


def read_parents(
    path: Path,
    rule: ParentRule,
    *,
    hidden: tuple[bytes, ...],
    number: Callable[[bytes], int],
    check: Callable[[bytes, Path, int, str], object],
    kept: Flags,
    curie: Callable[[int], str],
    problems: Problems,
) -> Iterator[Concept]:
    """One record for each kept concept that has kept parents.

    hidden: the values of SUPPRESS that do not count. number: of a concept id, 0 where it is none. check: reports one
    that is unknown.
    """
    pairs = array("q")
    for line, fields in rrf.rows(path, REL, problems):
        kind = fields[rule.column]
        if kind not in (rule.parent, rule.child) or fields[14] in hidden or fields[0] == fields[4]:
            continue
        if rule.vocabularies is not None and fields[10] not in rule.vocabularies:
            continue
        first, second = number(fields[0]), number(fields[4])
        if kept[first] and kept[second]:
            pairs.append((first << 32 | second) if kind == rule.parent else (second << 32 | first))
        elif fields[0] and fields[4]:  # else one between atoms, as most of RxNorm's
            check(fields[0], path, line, "CUI1")
            check(fields[4], path, line, "CUI2")
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
