"""Micro-batching without delay: a free worker takes what is waiting, up to a budget, and waits for nothing more.

Calls that share a linker and options share batches. A batch takes turns over its calls, a slice from each, so that a
call of one mention waits behind a slice of a large call and not behind the whole of it; calls with other options have
their turn after that. A call whose client has gone or whose deadline has passed is not worked on.

Everything here runs on the event loop but `_link`, which runs in a worker.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import ceil
from time import monotonic, perf_counter_ns

from linker.options import Options
from linker.pipeline import Linker, Timings
from linker.records import Mention
from linker.server.errors import Busy, Expired, LinkingFailed, NotReady
from linker.v1 import linking_service_pb2
from linker.wire import result_message

SLICE = 16  # mentions a call gets into a batch before the next call has its turn
_RETRY_S = (0.05, 10.0)  # least and most that a refused client is told to wait
_SMOOTHING = 0.2
_NO_TIME = Timings(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Linked:
    """The results of a call. results: a serialised LinkMentionsResponse that holds nothing else."""

    results: bytes
    queue_ns: int
    timings: Timings


@dataclass(eq=False, slots=True)
class _Call:
    mentions: Sequence[Mention]
    ids: Sequence[str]
    expires: float
    future: asyncio.Future[Linked]
    arrived_ns: int = field(default_factory=perf_counter_ns)
    queue_ns: int = 0
    taken: int = 0
    timings: Timings = _NO_TIME
    parts: dict[int, bytes] = field(default_factory=dict)
    answered: int = 0

    @property
    def waiting(self) -> int:
        return len(self.mentions) - self.taken


@dataclass(slots=True)
class _Share:
    """The mentions of one call, from begin to end, in one batch."""

    call: _Call
    begin: int
    end: int

    @property
    def mentions(self) -> Sequence[Mention]:
        return self.call.mentions[self.begin : self.end]


@dataclass(frozen=True, slots=True)
class _Outcome:
    result: bytes | LinkingFailed
    timings: Timings


_Key = tuple[Linker, Options]


class Batcher:
    """Links the mentions of many calls on a fixed number of worker threads. Belongs to one event loop."""

    def __init__(self, *, workers: int, max_batch: int, max_waiting: int) -> None:
        """max_batch, max_waiting: in mentions."""
        self.workers = workers
        self.max_batch = max_batch
        self.max_waiting = max_waiting
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="link")
        self._idle = workers
        self._waiting = 0
        self._closed = False
        self._queues: OrderedDict[_Key, OrderedDict[_Call, None]] = OrderedDict()
        self._seconds_per_mention = 0.001

    @property
    def waiting(self) -> int:
        """Mentions that no worker has taken yet."""
        return self._waiting

    async def link(
        self,
        linker: Linker,
        mentions: Sequence[Mention],
        options: Options,
        *,
        ids: Sequence[str],
        timeout_s: float | None = None,
    ) -> Linked:
        """Link `mentions`; `ids` are theirs in the results. Raises `Busy`, `Expired`, `NotReady` or `LinkingFailed`."""
        self._admit(len(mentions))
        expires = float("inf") if timeout_s is None else monotonic() + timeout_s
        call = _Call(mentions, ids, expires, asyncio.get_running_loop().create_future())
        key = (linker, options)
        self._queues.setdefault(key, OrderedDict())[call] = None
        self._waiting += call.waiting
        self._start_batches()
        try:
            return await call.future
        finally:
            self._withdraw(key, call)

    def close(self) -> None:
        """Take no more calls, and wait for the workers."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _admit(self, mentions: int) -> None:
        if self._closed:
            raise NotReady("the server is stopping; try another, or again")
        if self._waiting + mentions > self.max_waiting:
            least, most = _RETRY_S
            wait = self._waiting * self._seconds_per_mention / self.workers
            message = f"{self._waiting} mentions are waiting and at most {self.max_waiting} may; try again later"
            raise Busy(message, retry_after_s=min(max(wait, least), most))

    def _withdraw(self, key: _Key, call: _Call) -> None:
        """Forget what still waits of a call that has ended; there is something where its client has gone."""
        calls = self._queues.get(key)
        if calls is not None and call in calls:
            del calls[call]
            if not calls:
                del self._queues[key]
        self._waiting -= call.waiting
        call.taken = len(call.mentions)

    def _start_batches(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and self._queues and not self._closed:
            key, batch = self._next_batch()
            if batch:
                self._idle -= 1
                started = monotonic()
                running = loop.run_in_executor(self._pool, _link, *key, batch)
                running.add_done_callback(lambda done, b=batch, s=started: self._finish(b, done.result(), s))  # type: ignore[misc]

    def _next_batch(self) -> tuple[_Key, list[_Share]]:
        """The next options in turn, and a batch of calls with them. The batch is empty where all had ended."""
        key, calls = self._queues.popitem(last=False)
        shares: dict[_Call, _Share] = {}
        # What is waiting is spread over the workers that are free: a lone large call does not leave one of them idle.
        room, now = min(self.max_batch, max(SLICE, ceil(self._waiting / self._idle))), monotonic()
        while calls and room:
            call, _ = calls.popitem(last=False)
            if call.future.done():
                continue
            if call.expires <= now:
                self._fail(call, Expired("the deadline passed while the call was waiting"))
                continue
            size = min(SLICE, room, call.waiting)
            call.queue_ns = call.queue_ns or perf_counter_ns() - call.arrived_ns
            # A call that has several turns in a batch has them in a row of its mentions: one share that grows.
            shares.setdefault(call, _Share(call, call.taken, call.taken)).end += size
            call.taken += size
            self._waiting -= size
            room -= size
            if call.waiting:
                calls[call] = None
        if calls:
            self._queues[key] = calls
        return key, list(shares.values())

    def _finish(self, batch: list[_Share], outcomes: list[_Outcome], started: float) -> None:
        self._idle += 1
        took = (monotonic() - started) / sum(share.end - share.begin for share in batch)
        self._seconds_per_mention += _SMOOTHING * (took - self._seconds_per_mention)
        for share, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome.result, LinkingFailed):
                self._fail(share.call, outcome.result)
            else:
                _answer(share, outcome.result, outcome.timings)
        self._start_batches()

    def _fail(self, call: _Call, error: Exception) -> None:
        if not call.future.done():
            call.future.set_exception(error)  # whoever awaits it then withdraws what still waits


def _answer(share: _Share, results: bytes, timings: Timings) -> None:
    call = share.call
    call.parts[share.begin] = results
    call.answered += share.end - share.begin
    call.timings = _sum(call.timings, timings)
    if call.answered == len(call.mentions) and not call.future.done():
        # The bytes of a protobuf message's parts, one after the other, are the bytes of the whole.
        whole = b"".join(call.parts[begin] for begin in sorted(call.parts))
        call.future.set_result(Linked(whole, call.queue_ns, call.timings))


def _sum(a: Timings, b: Timings) -> Timings:
    return Timings(
        a.encode_ns + b.encode_ns, a.search_ns + b.search_ns, a.rerank_ns + b.rerank_ns, a.decide_ns + b.decide_ns
    )


def _link(linker: Linker, options: Options, batch: list[_Share]) -> list[_Outcome]:
    """One outcome for each share. Where a batch fails, its shares are tried one by one, so that only one call fails."""
    try:
        links, timings = linker.link_timed([mention for share in batch for mention in share.mentions], options)
        outcomes, position = [], 0
        for share in batch:
            size = share.end - share.begin
            named = zip(links[position : position + size], share.call.ids[share.begin : share.end], strict=True)
            results = [result_message(link, mention_id) for link, mention_id in named]
            response = linking_service_pb2.LinkMentionsResponse(results=results)
            outcomes.append(_Outcome(response.SerializeToString(), timings))
            position += size
    except BaseException as error:
        # A worker must not die, nor a CancelledError reach the event loop.
        if len(batch) > 1:
            return [_link(linker, options, [share])[0] for share in batch]
        failed = LinkingFailed("linking failed")
        failed.__cause__ = error
        return [_Outcome(failed, _NO_TIME)]
    return outcomes
