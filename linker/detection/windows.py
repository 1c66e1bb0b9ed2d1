"""How a note is read by a token classifier: piece by piece, in windows that overlap.

This is the one place that says so; training reads notes by it, too. A piece is a word or a mark of punctuation, and is
turned into tokens by itself: its place in the note is then exact whatever its tokenizer makes of it. What is said of a
piece is said at its first token.

A note that is too long for the model is read in several windows. Where two overlap, the first half of what they share
belongs to the former and the second to the latter, so that every piece is read with what stands on both sides of it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from tokenizers import Tokenizer

from linker.surface import words

Place = tuple[int, int]

_LONGEST_PIECE = 100  # characters that are read of a piece
_MOST_TOKENS = 16  # of a piece
_KEPT = 1 << 16


@dataclass(frozen=True, slots=True)
class Window:
    """Part of a note as a model takes it, see `linker.inference.Tokens`.

    ids: tokens, the special ones at both ends among them. pieces: where they stand in the note, as half-open ranges of
    code points. first: the first token of each piece. own: which pieces this window decides.
    """

    ids: list[int]
    pieces: list[Place]
    first: list[int]
    own: range

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def type_ids(self) -> list[int]:
        """One segment."""
        return [0] * len(self.ids)


class Reader:
    """Reads notes for one model. Immutable but for what it remembers, and safe to share between threads."""

    def __init__(self, tokenizer: Tokenizer, *, max_length: int, stride: int) -> None:
        """max_length: tokens of a window, the special ones among them. stride: tokens that two windows may share."""
        self._before, self._behind = _special_ids(tokenizer)
        self._room = max_length - len(self._before) - len(self._behind)
        self._stride = stride
        self._tokenizer = tokenizer
        self._ids = lru_cache(_KEPT)(self._read)

    def windows(self, note: str) -> Iterator[Window]:
        """The windows of a note in order, none for one without words. Takes time linear in its length."""
        yield from self.windows_of(note, pieces_of(note))

    def windows_of(self, note: str, pieces: Iterator[Place]) -> Iterator[Window]:
        """The windows of some pieces of a note."""
        held: list[tuple[Place, tuple[int, ...]]] = []
        length = begin = 0
        for piece in pieces:
            ids = self._ids(note[piece[0] : piece[1]][:_LONGEST_PIECE])
            if not ids:
                continue
            if length + len(ids) > self._room:
                shared = self._shared(held)
                end = len(held) - shared // 2
                yield self._window(held, range(begin, end))
                begin = end - len(held) + shared
                held = held[len(held) - shared :]
                length = sum(len(tokens) for _, tokens in held)
            held.append((piece, ids))
            length += len(ids)
        if held:
            yield self._window(held, range(begin, len(held)))

    def _shared(self, held: Sequence[tuple[Place, tuple[int, ...]]]) -> int:
        """How many of the last pieces the next window begins with."""
        count = tokens = 0
        while tokens + len(held[-count - 1][1]) <= self._stride:
            tokens += len(held[-count - 1][1])
            count += 1
        return count

    def _window(self, held: Sequence[tuple[Place, tuple[int, ...]]], own: range) -> Window:
        ids, first = list(self._before), []
        for _, tokens in held:
            first.append(len(ids))
            ids += tokens
        return Window([*ids, *self._behind], [piece for piece, _ in held], first, own)

    def _read(self, piece: str) -> tuple[int, ...]:
        ids = self._tokenizer.encode([piece], is_pretokenized=True, add_special_tokens=False).ids
        return tuple(ids[:_MOST_TOKENS])


def pieces_of(note: str) -> Iterator[Place]:
    """Words, and between them each mark of punctuation, in order.

    >>> [note[b:e] for note in ["T2DM (since 2012)."] for b, e in pieces_of(note)]
    ['T2DM', '(', 'since', '2012', ')', '.']
    """
    past = 0
    for begin, end in words(note):
        yield from _marks(note, past, begin)
        yield begin, end
        past = end
    yield from _marks(note, past, len(note))


def _marks(note: str, begin: int, end: int) -> Iterator[Place]:
    return ((place, place + 1) for place in range(begin, end) if unicodedata.category(note[place])[0] in "PS")


def _special_ids(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """What stands before and behind a text."""
    encoding = tokenizer.encode(["a"], is_pretokenized=True)
    own = encoding.special_tokens_mask.index(0)
    past = len(encoding) - encoding.special_tokens_mask[::-1].index(0)
    return encoding.ids[:own], encoding.ids[past:]
