"""A call that waits to be linked: which of its mentions are still to be taken, and what has come of the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns

from linker.pipeline import Timings
from linker.records import Mention
from linker.server.work import NO_TIME, Share


@dataclass(frozen=True, slots=True)
class Linked:
    """The results of a call. results: a serialised LinkMentionsResponse that holds nothing else."""

    results: bytes
    queue_ns: int
    timings: Timings


@dataclass(eq=False, slots=True)
class WaitingCall:
    """See the module. tokens: what each mention costs. due, expires: `time.monotonic` by which it should have been
    linked, and after which nobody waits for it.
    """

    mentions: Sequence[Mention]
    ids: Sequence[str]
    tokens: Sequence[int]
    due: float
    expires: float
    future: asyncio.Future[Linked]
    arrived_ns: int = field(default_factory=perf_counter_ns)
    queue_ns: int = 0
    waiting: int = 0
    _order: list[int] = field(default_factory=list)
    _results: list[bytes] = field(default_factory=list)
    _missing: int = 0
    _timings: Timings = NO_TIME

    def __post_init__(self) -> None:
        # Places of the mentions that wait, the next one last: the longest first, as the encoder runs those of one
        # length together.
        self._order = sorted(range(len(self.mentions)), key=self.tokens.__getitem__)
        self._results = [b""] * len(self.mentions)
        self._missing = len(self.mentions)
        self.waiting = sum(self.tokens)

    @property
    def mentions_waiting(self) -> int:
        """How many mentions nobody has taken; `waiting` is what they cost."""
        return len(self._order)

    @property
    def next_tokens(self) -> int:
        """What the mention costs that is next."""
        return self.tokens[self._order[-1]]

    def take(self, room: int) -> list[int]:
        """Places of the mentions that are next: as many as cost `room` tokens at most, and one at least."""
        if not self.queue_ns:
            self.queue_ns = perf_counter_ns() - self.arrived_ns
        places = [self._order.pop()]
        room -= self.tokens[places[0]]
        while self._order and self.tokens[self._order[-1]] <= room:
            places.append(self._order.pop())
            room -= self.tokens[places[-1]]
        self.waiting -= sum(self.tokens[place] for place in places)
        return places

    def share(self, places: Sequence[int]) -> Share:
        """The mentions at these places."""
        return Share([self.mentions[place] for place in places], [self.ids[place] for place in places])

    def answer(self, places: Sequence[int], results: Sequence[bytes], timings: Timings) -> None:
        """Take the results of the mentions at these places; the last ones end the call."""
        for place, result in zip(places, results, strict=True):
            self._results[place] = result
        self._missing -= len(places)
        self._timings = _sum(self._timings, timings)
        if not self._missing and not self.future.done():
            # The bytes of a protobuf message's parts, one after the other, are the bytes of the whole.
            self.future.set_result(Linked(b"".join(self._results), self.queue_ns, self._timings))

    def fail(self, error: Exception) -> None:
        """End the call; whoever awaits it then withdraws what still waits."""
        if not self.future.done():
            self.future.set_exception(error)

    def drop(self) -> None:
        """Nothing of it waits any more."""
        self._order.clear()
        self.waiting = 0


def _sum(a: Timings, b: Timings) -> Timings:
    return Timings(
        a.encode_ns + b.encode_ns,
        a.search_ns + b.search_ns,
        a.rerank_ns + b.rerank_ns,
        a.decide_ns + b.decide_ns,
        a.cached + b.cached,
    )
