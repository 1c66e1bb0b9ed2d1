"""A weak corpus: gold mentions that a rule wrote, in the format of those that a person did (`linker.corpus`).

Whoever makes one leaves out what it would have to guess, and says how much that was.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from random import Random
from typing import Protocol

from linker.corpus import GoldMention, GoldNote
from linker.errors import InvalidInput
from linker.publishing import publish_file
from linker.records import Mention
from linker.surface import normalise

_OFTEN = 4  # mentions of one form and concept that are kept; more of "fever" teach little else
IN_PIECES = "in several pieces"
REPEATED = f"repeated more than {_OFTEN} times"


class Way(StrEnum):
    """How mentions are come by: `training.weak.names`, `.projection` and `.confident`."""

    NAMES = "names"
    PROJECTION = "projection"
    CONFIDENT = "confident"


@dataclass(frozen=True, slots=True)
class WeakCorpus:
    """Notes with their mentions, each in one place of its note. left_out: mentions that are not among them, by why."""

    notes: tuple[GoldNote, ...]
    left_out: Mapping[str, int]

    def figures(self) -> dict[str, int | dict[str, int]]:
        """Counts, as JSON has them."""
        golds = [mention.gold for note in self.notes for mention in note.mentions]
        concepts = len(frozenset[str]().union(*golds))
        return {
            "notes": len(self.notes), "mentions": len(golds), "concepts": concepts, "left_out": dict(self.left_out)
        }  # fmt: skip

    def __str__(self) -> str:
        counted = [f"{count:,} {what}" for what, count in self.figures().items() if isinstance(count, int)]
        left = "; ".join(f"{count:,} {why}" for why, count in self.left_out.items()) or "none"
        return f"{', '.join(counted)}. Left out: {left}"

    def write(self, path: Path) -> None:
        """Write JSON lines that `linker.corpus` reads. Raises `InvalidInput`: no mention, or nowhere to write it."""
        if not self.notes:
            raise InvalidInput(f"would have no mention; {self}", field=str(path))
        try:
            with publish_file(path) as file:
                file.write_text("".join(f"{_line(note)}\n" for note in self.notes), encoding="utf-8")
        except OSError as error:
            raise InvalidInput(f"cannot be written: {error.strerror}", field=str(path)) from error


class Supervision(Protocol):
    """One way of making a corpus without a person; what it is made from is its own."""

    def corpus(self) -> WeakCorpus:
        """The mentions it vouches for. Every call gives the same."""


def placed(note_id: str, text: str, places: Iterable[tuple[int, int, Iterable[str]]]) -> GoldNote:
    """A note with a mention at each place: begin and end in code points, and the gold ids."""
    mentions = (
        GoldMention(note_id, (Mention(text[begin:end], text, begin, end),), frozenset(gold))
        for begin, end, gold in places
    )
    return GoldNote(note_id, text, tuple(mentions))


def collected(notes: Sequence[GoldNote], left_out: Counter[str], *, seed: int) -> WeakCorpus:
    """The notes that have a mention, with at most `_OFTEN` of each form and concept, chosen at random."""
    alike: defaultdict[tuple[str, frozenset[str]], list[GoldMention]] = defaultdict(list)
    for note in notes:
        for mention in note.mentions:
            alike[normalise(mention.parts[0].text), mention.gold].append(mention)
    rng = Random(seed)  # noqa: S311 - no secret
    kept = {m for same in alike.values() for m in (same if len(same) <= _OFTEN else rng.sample(same, _OFTEN))}
    thinned = [replace(note, mentions=tuple(m for m in note.mentions if m in kept)) for note in notes]
    repeated = sum(len(note.mentions) for note in notes) - len(kept)
    counts = left_out + Counter({REPEATED: repeated})
    return WeakCorpus(tuple(note for note in thinned if note.mentions), dict(counts.most_common()))


def _line(note: GoldNote) -> str:
    rows = [
        {"begin": part.begin, "end": part.end, "mention": part.text, "gold": sorted(mention.gold)}
        for mention in note.mentions
        for part in mention.parts
    ]
    return json.dumps({"doc_id": note.note_id, "text": note.text, "mentions": rows}, ensure_ascii=False)
