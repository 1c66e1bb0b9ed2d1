"""What waits of a call: which of its items are still to be taken, and what has come of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

from linker.pipeline import NO_TIME, Timings


@dataclass(eq=False, slots=True)
class Admission:
    """A call that was let in, whatever it has done in its name.

    is_small: whether it waits with small calls. due, expires: `time.monotonic` by which it should have been answered,
    and after which nobody waits for it. expected: tokens of it that do not wait yet. queue_ns: until a worker took the
    first of it. timings: of the batches that it was in.
    """

    is_small: bool
    due: float
    expires: float
    expected: int
    arrived_ns: int = field(default_factory=perf_counter_ns)
    queue_ns: int = 0
    timings: Timings = NO_TIME


@dataclass(eq=False, slots=True)
class WaitingCall:
    """See the module. tokens: what each item costs. future: the result of each item, in order."""

    items: Sequence[Any]
    tokens: Sequence[int]
    admission: Admission
    future: asyncio.Future[list[Any]]
    waiting: int = 0
    _order: list[int] = field(default_factory=list)
    _results: list[Any] = field(default_factory=list)
    _missing: int = 0

    def __post_init__(self) -> None:
        # Places of the items that wait, the next one last: the longest first, as the encoder runs those of one length
        # together.
        self._order = sorted(range(len(self.items)), key=self.tokens.__getitem__)
        self._results = [None] * len(self.items)
        self._missing = len(self.items)
        self.waiting = sum(self.tokens)

    @property
    def items_waiting(self) -> int:
        """How many items nobody has taken; `waiting` is what they cost."""
        return len(self._order)

    @property
    def next_tokens(self) -> int:
        """What the item costs that is next."""
        return self.tokens[self._order[-1]]

    def take(self, room: int) -> list[int]:
        """Places of the items that are next: as many as cost `room` tokens at most, and one at least."""
        if not self.admission.queue_ns:
            self.admission.queue_ns = perf_counter_ns() - self.admission.arrived_ns
        places = [self._order.pop()]
        room -= self.tokens[places[0]]
        while self._order and self.tokens[self._order[-1]] <= room:
            places.append(self._order.pop())
            room -= self.tokens[places[-1]]
        self.waiting -= sum(self.tokens[place] for place in places)
        return places

    def share(self, places: Sequence[int]) -> list[Any]:
        """The items at these places."""
        return [self.items[place] for place in places]

    def answer(self, places: Sequence[int], results: Sequence[Any], timings: Timings) -> None:
        """Take the results of the items at these places; the last ones end the call."""
        for place, result in zip(places, results, strict=True):
            self._results[place] = result
        self._missing -= len(places)
        self.admission.timings += timings
        if not self._missing and not self.future.done():
            self.future.set_result(self._results)

    def fail(self, error: Exception) -> None:
        """End the call; whoever awaits it then withdraws what still waits."""
        if not self.future.done():
            self.future.set_exception(error)

    def drop(self) -> None:
        """Nothing of it waits any more."""
        self._order.clear()
        self.waiting = 0
