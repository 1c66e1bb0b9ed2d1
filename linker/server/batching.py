"""Micro-batching without delay: a free worker takes what is waiting, up to a budget, and waits for nothing more.

Each call is due after `STRETCH` times what it takes to link it, and what is due first goes first: a small call passes
large ones that came before it, calls of one size go in order, and none is passed for ever (earliest deadline first; Liu
and Layland, 1973). Calls of up to `SMALL` tokens and larger ones have queues and batches of their own, and where both
wait each has half of the work: a call of one mention waits for a batch of the large ones, and not for the whole of one
that is nearly due. Those batches are short while small calls are about, and as long as the budget allows when there are
none. Calls that share a linker and options share batches. One whose client has gone or whose deadline has passed is not
worked on.

A call is refused at once, rather than made to wait, where what goes before it and it itself are more than what is
linked until it is due and more than `LEAST_BATCHES` full batches, or where more than `max_queued` waits. So what is
accepted is answered in a time that fits its size, however much is refused, and one that asks for much may wait for
much. Small calls do not wait for large ones, and large ones do not keep them out. A batch is no longer than it has to
be, since others wait for it, and longer ones do little more: of CPU, a name took 8.9 ms alone, 6.6 in a batch of 8, 6.4
in one of 32 and 5.6 in one of 64.

Everything here runs on the event loop but `link_shares`, which runs in a worker.
"""

from __future__ import annotations

import asyncio
import os
import sys
from bisect import insort
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from threading import get_native_id
from time import monotonic

from linker.options import Options
from linker.pipeline import Linker
from linker.records import Mention
from linker.server.errors import Busy, Expired, LinkingFailed, NotReady
from linker.server.observer import Observer, Unobserved
from linker.server.waiting import Linked, WaitingCall
from linker.server.work import NO_TIME, Outcome, link_shares

SMALL = 64  # tokens of a small call at most
LONG = 4  # a batch of large calls is up to so many times as long as others, where the call that is due first is
SHORT_S = 0.015  # how long a batch of large calls should take while small ones are about
ABOUT_S, ABOUT_BATCHES = 1.0, 10  # small calls are about for so long after one, or for so many full batches
LEAST_BATCHES = 5  # that may wait for any call, so that a lone worker does not refuse what comes at one moment
STRETCH = 8  # a call is due when so many times its own tokens have been linked: as many as a stream has batches at work
RETRY_S = (0.05, 10.0)  # least and most that a refused client is told to wait
WORKER_NICENESS = 10  # of 19: with it a refusal under overload took 118 ms where it had taken 500 (99 of 100)
_SMOOTHING = 0.2

_Key = tuple[Linker, Options]
_Batch = dict[WaitingCall, list[int]]  # places of mentions


class _Queue:
    """Calls that wait, by linker and options, in the order in which they are due.

    tokens: of all of them. taken: tokens that workers took of this queue, ever; the batcher evens them out.
    """

    def __init__(self) -> None:
        self._calls: dict[_Key, list[WaitingCall]] = {}
        self.tokens = self.taken = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def first(self) -> int:
        """Tokens that wait of the call that is due first. There is one."""
        return min((calls[0] for calls in self._calls.values()), key=_due_of).waiting

    def add(self, key: _Key, call: WaitingCall) -> None:
        insort(self._calls.setdefault(key, []), call, key=_due_of)
        self.tokens += call.waiting

    def remove(self, key: _Key, call: WaitingCall) -> int:
        """Forget what waits of a call: how many mentions that was."""
        mentions = call.mentions_waiting
        calls = self._calls.get(key, [])
        if mentions and call in calls:
            calls.remove(call)
            self._drop_if_empty(key)
        self.tokens -= call.waiting
        call.drop()
        return mentions

    def due_before(self, due: float) -> int:
        """Tokens that wait and are due before then, or just then."""
        return sum(call.waiting for calls in self._calls.values() for call in calls if call.due <= due)

    def next_batch(self, room: int) -> tuple[_Key, _Batch, list[WaitingCall]]:
        """The key in turn, places of at most `room` tokens of its calls, and calls found to be too late."""
        key, calls = min(self._calls.items(), key=lambda item: item[1][0].due)
        batch: _Batch = {}
        late = []
        now = monotonic()
        while calls and (room > 0 or not batch):
            call = calls[0]
            if call.expires <= now:
                late.append(call)
            elif not call.future.done():
                if batch and call.next_tokens > room:
                    break
                before = call.waiting
                batch[call] = call.take(room)
                taken = before - call.waiting
                self.tokens -= taken
                self.taken += taken
                room -= taken
                if call.waiting:
                    break
            del calls[0]
        self._drop_if_empty(key)
        return key, batch, late

    def _drop_if_empty(self, key: _Key) -> None:
        if not self._calls[key]:
            del self._calls[key]


class Batcher:
    """Links the mentions of many calls on a fixed number of worker threads. Belongs to one event loop."""

    def __init__(self, *, workers: int, max_batch: int, max_queued: int, observer: Observer | None = None) -> None:
        """max_batch, max_queued: in tokens."""
        self.workers = workers
        self.max_batch = max_batch
        self.max_queued = max_queued
        self._observer: Observer = observer or Unobserved()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="link", initializer=_give_way)
        self._idle = workers
        self._closed = False
        self._small, self._large = _Queue(), _Queue()
        self._small_until = 0.0
        self._seconds_per_token = 0.0002

    @property
    def queued(self) -> int:
        """Tokens that no worker has taken yet."""
        return self._small.tokens + self._large.tokens

    async def link(
        self,
        linker: Linker,
        mentions: Sequence[Mention],
        options: Options,
        *,
        ids: Sequence[str],
        tokens: Sequence[int],
        timeout_s: float | None = None,
    ) -> Linked:
        """Link `mentions`; `ids` are theirs in the results, and `tokens` is what they cost.

        Raises `Busy`, `Expired`, `NotReady` or `LinkingFailed`.
        """
        if self._closed:
            raise NotReady("the server is stopping; try another, or again")
        cost = sum(tokens)
        self.check_room(cost)
        expires = float("inf") if timeout_s is None else monotonic() + timeout_s
        call = WaitingCall(mentions, ids, tokens, self._due(cost), expires, asyncio.get_running_loop().create_future())
        queue, other = (self._small, self._large) if cost <= SMALL else (self._large, self._small)
        if not queue:  # what it did not use while it was empty is not made up for
            queue.taken = max(queue.taken, other.taken)
        key = (linker, options)
        queue.add(key, call)
        self._start_batches()
        try:
            return await call.future
        finally:
            left_out = queue.remove(key, call)
            if left_out and call.future.cancelled():
                self._observer.cancelled(mentions=left_out)

    def close(self) -> None:
        """Take no more calls, and wait for the workers."""
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def check_room(self, tokens: int) -> None:
        """Raise `Busy` where a call that costs so much would not be answered in time."""
        small = tokens <= SMALL
        if small:
            self._small_until = monotonic() + max(ABOUT_S, ABOUT_BATCHES * self.max_batch * self._seconds_per_token)
        waiting = self._small.tokens if small else self.queued
        # What finds nothing waiting is taken, however large it is: else it would be refused for ever.
        if not waiting:
            return
        due = self._due(tokens)
        before = self._small.due_before(due) + (0 if small else self._large.due_before(due))
        if before + tokens <= self._allowed(tokens) and waiting + tokens <= self.max_queued:
            return
        self._observer.refused(tokens=tokens)
        least, longest = RETRY_S
        wait = min(max(before * self._seconds_per_token / self.workers, least), longest)
        raise Busy("too much is waiting; try again after the time in RetryInfo", retry_after_s=wait)

    def _allowed(self, tokens: int) -> int:
        """Tokens that may be linked from a call's arrival to its end, its own among them."""
        return max(max(self.workers, LEAST_BATCHES) * self.max_batch, STRETCH * tokens)

    def _due(self, tokens: int) -> float:
        return monotonic() + self._allowed(tokens) * self._seconds_per_token / self.workers

    def _start_batches(self) -> None:
        while self._idle and not self._closed and (self._small or self._large):
            key, batch, late = self._next_batch()
            for call in late:
                self._observer.expired(mentions=call.mentions_waiting)
                call.fail(Expired("the deadline passed while the call was waiting"))
            if batch:
                self._start(key, batch)

    def _next_batch(self) -> tuple[_Key, _Batch, list[WaitingCall]]:
        take_small = self._small and (not self._large or self._small.taken <= self._large.taken)
        queue = self._small if take_small else self._large
        return queue.next_batch(self._room(queue))

    def _room(self, queue: _Queue) -> int:
        """Tokens for the next batch of a queue."""
        if queue is self._large and monotonic() < self._small_until:
            return min(SMALL, int(SHORT_S / self._seconds_per_token))
        # What is waiting is spread over the workers that are free: a lone large call does not leave one of them idle.
        most = max(self.max_batch, min(queue.first, LONG * self.max_batch))
        return min(most, max(SMALL, ceil(queue.tokens / self._idle)))

    def _start(self, key: _Key, batch: _Batch) -> None:
        started = monotonic()
        self._idle -= 1
        self._observer.batch_formed(
            mentions=sum(map(len, batch.values())),
            tokens=_tokens(batch),
            waited_s=[call.queue_ns / 1e9 for call in batch],
        )
        shares = [call.share(places) for call, places in batch.items()]
        try:
            running = asyncio.get_running_loop().run_in_executor(self._pool, link_shares, *key, shares)
        except RuntimeError as error:  # no thread is to be had: nobody may wait for it
            failed = LinkingFailed("no worker could be started")
            failed.__cause__ = error
            self._finish(batch, [Outcome(failed, 0, NO_TIME)] * len(batch), started)
            return
        running.add_done_callback(lambda done: self._finish(batch, done.result(), started))

    def _finish(self, batch: _Batch, outcomes: Sequence[Outcome], started: float) -> None:
        self._idle += 1
        took = (monotonic() - started) / _tokens(batch)
        self._seconds_per_token += _SMOOTHING * (took - self._seconds_per_token)
        linked = 0
        for (call, places), outcome in zip(batch.items(), outcomes, strict=True):
            if isinstance(outcome.results, LinkingFailed):
                self._observer.batch_failed(mentions=len(places))
                call.fail(outcome.results)
            else:
                linked += len(places)
                call.answer(places, outcome.results, outcome.timings)
        if linked:
            reranked = sum(outcome.reranked for outcome in outcomes)
            self._observer.batch_linked(mentions=linked, reranked=reranked, timings=outcomes[0].timings)
        self._start_batches()


def _give_way() -> None:
    """Let the event loop have the processor before this thread: refusals and probes do not wait for linking."""
    if sys.platform == "linux":  # elsewhere a priority is that of the whole process
        os.setpriority(os.PRIO_PROCESS, get_native_id(), WORKER_NICENESS)


def _tokens(batch: _Batch) -> int:
    return sum(call.tokens[place] for call, places in batch.items() for place in places)


def _due_of(call: WaitingCall) -> float:
    return call.due
