"""What the batcher tells whoever measures it: sizes, tokens and times, never text. Metrics implement it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from linker.pipeline import Timings


class Observer(Protocol):
    """Is told what becomes of calls and batches. Called on the event loop, so it must be quick and must not raise."""

    def refused(self, *, tokens: int) -> None:
        """A call of so many tokens was refused, because too much was waiting."""

    def expired(self, *, mentions: int) -> None:
        """So many mentions were left out, because the deadline of their call had passed."""

    def cancelled(self, *, mentions: int) -> None:
        """So many mentions were left out, because nobody waits for them any more."""

    def batch_formed(self, *, mentions: int, tokens: int, waited_s: Sequence[float]) -> None:
        """A worker took a batch. waited_s: how long each call that now has its first turn had waited."""

    def batch_done(self, *, mentions: int, reranked: int, timings: Timings) -> None:
        """A batch was done; 0 mentions where none was linked. reranked: those that the cross-encoder scored."""

    def batch_failed(self, *, mentions: int) -> None:
        """So many mentions could not be linked: a bug."""


class Unobserved:
    """Looks away."""

    def refused(self, *, tokens: int) -> None:
        """See `Observer`."""

    def expired(self, *, mentions: int) -> None:
        """See `Observer`."""

    def cancelled(self, *, mentions: int) -> None:
        """See `Observer`."""

    def batch_formed(self, *, mentions: int, tokens: int, waited_s: Sequence[float]) -> None:
        """See `Observer`."""

    def batch_done(self, *, mentions: int, reranked: int, timings: Timings) -> None:
        """See `Observer`."""

    def batch_failed(self, *, mentions: int) -> None:
        """See `Observer`."""
