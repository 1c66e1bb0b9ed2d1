"""Which concepts may never be negatives of one another.

A name that is pushed away from another name of the same meaning unlearns what it should learn. So concepts stand in one
group, and are never told apart in training, where anything hints that they mean the same: an exact crosswalk from one
to the other, a code that both have as exact, or a surface form that both have. Groups are the connected components of
these links; they may be wider than a meaning, which costs some negatives and breaks nothing, since a group makes no
positives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence

from linker.identifiers import split_curie
from training.dictionary import Entry

# What says that two ids mean the same. Database cross-references do not: they go to broader codes as often.
EXACT = frozenset(("skos:exactMatch", "owl:equivalentClass", "owl:equivalentTo", "owl:sameAs"))


class Groups:
    """A partition that only ever grows coarser: union-find with path halving (Tarjan & van Leeuwen 1984)."""

    def __init__(self) -> None:
        self._parent: dict[Hashable, Hashable] = {}

    def find(self, item: Hashable) -> Hashable:
        """The item that stands for the group of `item`."""
        parent = self._parent
        parent.setdefault(item, item)
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    def join(self, one: Hashable, other: Hashable) -> None:
        """Make the groups of both one."""
        self._parent[self.find(one)] = self.find(other)


def group_numbers(entries: Sequence[Entry], forms: Sequence[Iterable[str]]) -> list[int]:
    """A group number for each entry; `forms` are its normalised surface forms."""
    groups = Groups()
    for row, (entry, texts) in enumerate(zip(entries, forms, strict=True)):
        for concept_id in entry.concept_id.split("|"):
            groups.join(row, ("id", concept_id))
        for code in _exact_codes(entry):
            groups.join(row, ("id", code))
        for text in texts:
            groups.join(row, ("form", text))
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(groups.find(row), len(numbers)) for row in range(len(entries))]


def matches(entries: Mapping[str, Entry]) -> list[tuple[str, str]]:
    """Pairs of concept ids that an exact crosswalk joins one to one, in both directions between their vocabularies."""
    owner = {part: concept_id for concept_id in entries for part in concept_id.split("|")}
    partners: dict[tuple[str, str], set[str]] = defaultdict(set)  # (concept id, vocabulary) -> concept ids there
    for concept_id, entry in entries.items():
        for other in {owner[code] for code in _exact_codes(entry) if code in owner} - {concept_id}:
            partners[concept_id, split_curie(other)[0]].add(other)
            partners[other, split_curie(concept_id)[0]].add(concept_id)
    found = []
    for (concept_id, _), others in partners.items():
        other = min(others)
        back = partners[other, split_curie(concept_id)[0]]
        if len(others) == len(back) == 1 and concept_id < other:
            found.append((concept_id, other))
    return sorted(found)


def _exact_codes(entry: Entry) -> list[str]:
    return [f"{code.system}:{code.code}" for code in entry.codes if code.relation in EXACT]
