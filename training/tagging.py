"""What a token classifier learns from: notes in stretches of whole sentences, a label for each piece and type.

A corpus annotates the types that it is about. What it says nothing of is not outside: it has no label, and no loss.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from linker.corpus import GoldNote
from linker.detection.tagger import BEGIN, INSIDE, OUTSIDE
from linker.detection.windows import Place, Reader, Window, pieces_of
from linker.sentences import sentences
from training.trainer import LENGTH

UNKNOWN = -100  # the label that torch's cross-entropy leaves out
_SHORTEST = 12  # tokens that a stretch shall have at least

Kinds = Mapping[str, frozenset[str]]  # a type -> which of a corpus's own types are of it; none of them for all


@dataclass(frozen=True, slots=True)
class Annotated:
    """A note with the mentions of each type that its corpus annotates; the longest where they overlap."""

    note_id: str
    text: str
    mentions: Mapping[str, tuple[Place, ...]]


def annotated(note: GoldNote, kinds: Kinds) -> Annotated:
    """A note of a corpus as it is learned from. Mentions that are not at their place in the text are left out."""
    mentions: dict[str, tuple[Place, ...]] = {}
    for kind, own in kinds.items():
        places = (
            (mention.parts[0].begin, mention.parts[0].end)
            for mention in note.mentions
            if not own or mention.types & own
        )
        mentions[kind] = _apart((begin, end) for begin, end in places if begin is not None and end is not None)
    return Annotated(note.note_id, note.text, mentions)


def _apart(places: Iterator[Place]) -> tuple[Place, ...]:
    kept: list[Place] = []
    for begin, end in sorted(places, key=lambda place: (place[0] - place[1], place)):
        if all(end <= b or e <= begin for b, e in kept):
            kept.append((begin, end))
    return tuple(sorted(kept))


def united(notes: Iterable[tuple[Annotated, int]]) -> list[tuple[Annotated, int]]:
    """Notes that several corpora annotate, each for types of its own, as one; with each note, how often it is read."""
    found: dict[tuple[str, str], tuple[Annotated, int]] = {}
    for note, times in notes:
        same, before = found.get((note.note_id, note.text), (note, times))
        both = replace(note, mentions={**same.mentions, **note.mentions})
        found[note.note_id, note.text] = both, max(times, before)
    return list(found.values())


def is_held_out(note_id: str, share: float) -> bool:
    """Whether a note is kept from training: the same answer for it in every corpus that has it."""
    return int.from_bytes(hashlib.sha256(note_id.encode()).digest()[:4]) < share * 2**32


def labels(places: Sequence[Place], note: Annotated, types: Sequence[str]) -> NDArray[np.int64]:
    """(pieces, types) int64: OUTSIDE, BEGIN, INSIDE, or UNKNOWN of a type that the corpus does not annotate."""
    found = np.full((len(places), len(types)), UNKNOWN)
    begins, ends = np.array(places, dtype=np.int64).reshape(-1, 2).T
    for column, kind in enumerate(types):
        if kind not in note.mentions:
            continue
        found[:, column] = OUTSIDE
        for begin, end in note.mentions[kind]:
            first, past = np.searchsorted(ends, begin, side="right"), np.searchsorted(begins, end, side="left")
            found[first:past, column] = INSIDE
            found[first : min(first + 1, past), column] = BEGIN
    return found


def rows(
    notes: Sequence[tuple[Annotated, int]], reader: Reader, types: Sequence[str], *, longest: int, seed: int
) -> Dataset:
    """A row for each stretch of each note: input_ids, and labels, a list of one a type for each token.

    notes: each with how often it is read, cut in another way each time, into stretches of 12 to `longest` tokens: what
    stands in a note of any length is learned, and what stands at its beginning.
    """
    random = np.random.default_rng(seed)
    ids, wanted = [], []
    for note, times in notes:
        for _ in range(times):
            size = int(random.integers(_SHORTEST, longest + 1))
            for window in _stretches(note.text, reader, size):
                ids.append(window.ids)
                wanted.append(_of_tokens(window, labels(window.pieces, note, types)).tolist())
    return Dataset.from_dict({"input_ids": ids, "labels": wanted, LENGTH: [len(row) for row in ids]})


def _stretches(text: str, reader: Reader, size: int) -> Iterator[Window]:
    """Windows that begin with a sentence, of about `size` tokens or one sentence."""
    held: list[Place] = []
    length = 0
    for begin, end in sentences(text):
        own = [(begin + b, begin + e) for b, e in pieces_of(text[begin:end])]
        tokens = sum(map(len, reader.windows_of(text, iter(own))))
        if held and length + tokens > size:
            yield from reader.windows_of(text, iter(held))
            held, length = [], 0
        held, length = held + own, length + tokens
    yield from reader.windows_of(text, iter(held))


def _of_tokens(window: Window, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """(tokens, types): the label of a piece stands at its first token; the others have none."""
    found = np.full((len(window), wanted.shape[1]), UNKNOWN)
    found[window.first] = wanted
    return found
