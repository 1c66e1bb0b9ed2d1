"""Which concepts do exact matches make one? Decided by ids and codes; names may only speak against a pair.

Two concepts of different vocabularies are one where an exact match joins them and neither has another such partner in
the other's vocabulary. Whatever is not that clear stays as it is, and is a conflict to be told: a curator has to look
at it. Pairs may chain (A to B, B to C), as long as no vocabulary is met twice on the way.

Relations: SKOS Reference, section 10 (https://www.w3.org/TR/skos-reference/#mapping), and OWL 2's equivalences.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from linker.identifiers import split_curie
from ontologies.errors import BuildError

EXACT = ("owl:equivalentClass", "owl:equivalentTo", "owl:sameAs", "skos:exactMatch")


class Conflict(StrEnum):
    """Why an exact match does not make two concepts one."""

    ONE_TO_MANY = "one to many"
    MANY_TO_ONE = "many to one"
    MANY_TO_MANY = "many to many"
    THROUGH_OTHERS = "two of one vocabulary are joined through others"
    NAMES = "contradictory preferred names"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """An exact match of two concepts of different vocabularies; that of `one` comes first in the build.

    contradicted: they share no name, and one's preferred name is another concept's in the other's vocabulary. place:
    where the match was read, "FILE:LINE". source: the release that says so.
    """

    one: str
    other: str
    contradicted: bool = False
    one_name: str = ""
    other_name: str = ""
    source: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True)
class Unions:
    """What becomes of the pairs. members: concepts that are one, the one that keeps its id first."""

    members: tuple[tuple[str, ...], ...]
    conflicts: tuple[tuple[Conflict, Pair], ...]


def unite(pairs: Sequence[Pair], order: Mapping[str, int]) -> Unions:
    """Which concepts are one, and which pairs are in conflict, in the order of the pairs.

    order: the place of each vocabulary in the build; of concepts that are one, the first vocabulary's keeps its id.
    """
    agreed = [pair for pair in pairs if not pair.contradicted]
    partners: dict[tuple[str, str], set[str]] = defaultdict(set)
    for pair in agreed:
        partners[pair.one, _vocabulary(pair.other)].add(pair.other)
        partners[pair.other, _vocabulary(pair.one)].add(pair.one)
    found: dict[Pair, Conflict] = dict.fromkeys((pair for pair in pairs if pair.contradicted), Conflict.NAMES)
    for pair in agreed:
        many = (
            len(partners[pair.one, _vocabulary(pair.other)]) > 1,
            len(partners[pair.other, _vocabulary(pair.one)]) > 1,
        )
        if any(many):
            kinds = {(True, False): Conflict.ONE_TO_MANY, (False, True): Conflict.MANY_TO_ONE}
            found[pair] = kinds.get(many, Conflict.MANY_TO_MANY)
    group_of = _groups(pair for pair in agreed if pair not in found)
    unclear = {id(group) for group in group_of.values() if len({_vocabulary(i) for i in group}) < len(group)}
    for pair in agreed:
        if pair not in found and id(group_of[pair.one]) in unclear:
            found[pair] = Conflict.THROUGH_OTHERS
    groups = {id(group): group for group in group_of.values() if id(group) not in unclear}
    members = (tuple(sorted(group, key=lambda i: order[_vocabulary(i)])) for group in groups.values())
    return Unions(tuple(sorted(members)), tuple((found[pair], pair) for pair in pairs if pair in found))


def _groups(pairs: Iterable[Pair]) -> dict[str, set[str]]:
    """For each concept of the pairs, all that are joined with it; those have one and the same set."""
    group_of: dict[str, set[str]] = {}
    for pair in pairs:
        one, other = (group_of.setdefault(i, {i}) for i in (pair.one, pair.other))
        if one is not other:
            small, large = sorted((one, other), key=len)
            large |= small
            group_of |= dict.fromkeys(small, large)
    return group_of


def _vocabulary(concept_id: str) -> str:
    return split_curie(concept_id)[0]


def write_conflicts(path: Path, conflicts: Iterable[tuple[Conflict, Pair]]) -> None:
    """Write conflicts as a table for people to go through. Raises `BuildError`."""
    columns = ("conflict", "concept_id", "name", "other_id", "other_name", "source", "place")
    try:
        with path.open("w", encoding="utf-8", newline="") as stream:
            table = csv.writer(stream, delimiter="\t", lineterminator="\n")
            table.writerow(columns)
            for conflict, p in conflicts:
                table.writerow((str(conflict), p.one, p.one_name, p.other, p.other_name, p.source, p.place))
    except OSError as error:
        raise BuildError(f"{path}: cannot write the conflicts: {error}") from error
