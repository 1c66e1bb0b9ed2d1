"""What a tagger knows of a bundle, learned from the names of the bundle: no table says which type is which.

A tagger of diseases and anatomy reads a sample of the names, each by itself. A type that it takes many of them for is
what the bundle is about, and mentions of it are worth proposing. Where it takes many names of a semantic type for
mentions, it knows what such names look like, and may say where one is no mention or one of something else. A bundle of
laboratory tests shares no type with it: nothing is proposed, and nothing is taken away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from linker.detection.tagger import Tagged, Tagger
from linker.records import EVERYTHING, ConceptFilter
from linker.terminology import Terminology

TAKEN = 0.5  # how likely a text has to be a mention to be taken for one
_SAMPLE = 512  # names
_KNOWN = 0.4  # of the names that have to be taken for anything
_FEWEST = 16  # of a semantic type in the sample that say something of it
_ABOUT = 0.2  # of the names that a type has to be taken for
_LIKE = 0.05  # of the names of a semantic type that are taken for a type that may be theirs


@dataclass(frozen=True, slots=True)
class Scope:
    """types: those of the tagger that the bundle is about. known: semantic types whose names it knows, "" for none,
    each with the types of the tagger that it takes them for.
    """

    types: tuple[int, ...] = ()
    known: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def kinds(self, semantic_types: Iterable[str]) -> list[int]:
        """What the tagger takes names of these for, sorted; empty where there are any that it does not know."""
        kinds = [self.known.get(name, frozenset()) for name in semantic_types]
        return sorted(frozenset().union(*kinds)) if all(kinds) else []


def scope_of(tagger: Tagger, terminology: Terminology, wanted: ConceptFilter = EVERYTHING) -> Scope:
    """What the tagger knows of the concepts, and in the languages, that `wanted` lets through."""
    rows = np.flatnonzero(terminology.name_mask(wanted)) if wanted else np.arange(terminology.name_count)
    if not len(rows):
        return Scope()
    sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), _SAMPLE), dtype=np.int64)].tolist()
    taken = np.stack([taken_for(tags) for tags in tagger.tag([terminology.name(row) for row in sample])])
    of_type = defaultdict(list)
    for place, row in enumerate(sample):
        for name in terminology.semantic_types(int(terminology.concept_of_name[row])) or ("",):
            of_type[name].append(place)
    shares = {name: taken[places] for name, places in of_type.items() if len(places) >= min(_FEWEST, len(sample))}
    types = {kind for share in shares.values() for kind in np.flatnonzero(share.mean(axis=0) >= _ABOUT).tolist()}
    known = {
        name: frozenset(np.flatnonzero(share.mean(axis=0) >= _LIKE).tolist())
        for name, share in shares.items()
        if share.any(axis=1).mean() >= _KNOWN
    }
    return Scope(tuple(sorted(types)), known)


def taken_for(tags: Tagged) -> NDArray[np.bool_]:
    """Which types a tagger takes the whole of a text for, (types,) bool."""
    begin, end = (int(tags.places[0, 0]), int(tags.places[-1, 1])) if len(tags.places) else (0, 0)
    return np.asarray(tags.shares(begin, end) > TAKEN)
