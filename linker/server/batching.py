"""Micro-batching without delay: a free worker takes what is waiting, up to a budget, and waits for nothing more.

Each call is due after `STRETCH` times what it takes to answer it, and what is due first goes first: a small call passes
large ones that came before it, calls of one size go in order, and none is passed for ever (earliest deadline first; Liu
and Layland, 1973). Calls of up to `SMALL` tokens and larger ones have queues and batches of their own, and where both
wait each has half of the work. Where every worker is at a batch of large calls, one of small ones is done beside them,
and threads of small calls go before those of large ones: a call of one mention waits for none of them. Their batches
are short while small calls are about, and as long as the budget allows when there are none. Calls with equal jobs share
batches: those that share a linker and options. One whose client has gone or whose deadline has passed is not worked on.
A call may have more done than one thing after another, as where documents are read and what is found in them is linked:
it is let in once, and what is still to come of it counts as waiting.

A call is refused at once, rather than made to wait, where what goes before it and it itself are more than what is
linked until it is due and more than `LEAST_BATCHES` full batches, or where more than `max_queued` waits. So what is
accepted is answered in a time that fits its size, however much is refused, and one that asks for much may wait for
much. Small calls do not wait for large ones, and large ones do not keep them out. A batch is no longer than it has to
be, since others wait for it, and longer ones do little more: of CPU, a name took 8.9 ms alone, 6.6 in a batch of 8, 6.4
in one of 32 and 5.6 in one of 64.

Everything here runs on the event loop but `work`, which runs in a worker.
"""

from __future__ import annotations

import asyncio
from bisect import insort
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from math import ceil
from time import monotonic
from typing import Any

from linker.server.errors import Busy, Expired, LinkingFailed, NotReady
from linker.server.observer import Observer, Unobserved
from linker.server.priority import LARGE_NICENESS, SMALL_NICENESS, give_way
from linker.server.waiting import Admission, WaitingCall
from linker.server.work import Job, Outcome, work

SMALL = 64  # tokens of a small call at most
LONG = 4  # a batch of large calls is up to so many times as long as others, where the call that is due first is
SHORT_S = 0.015  # how long a batch of large calls should take while small ones are about
ABOUT_S, ABOUT_BATCHES = 1.0, 10  # small calls are about for so long after one, or for so many full batches
LEAST_BATCHES = 5  # that may wait for any call, so that a lone worker does not refuse what comes at one moment
STRETCH = 5  # a call is due when so many times its own tokens have been linked, or two times for each worker
RETRY_S = (0.05, 10.0)  # least and most that a refused client is told to wait
_SMOOTHING = 0.2

_Batch = dict[WaitingCall, list[int]]  # places of items


class _Queue:
    """Calls that wait, by their jobs, in the order in which they are due.

    tokens: of all of them. taken: tokens that workers took of this queue, ever; the batcher evens them out.
    """

    def __init__(self) -> None:
        self._calls: dict[Job, list[WaitingCall]] = {}
        self._expected: set[Admission] = set()
        self.tokens = self.taken = 0

    def __bool__(self) -> bool:
        return bool(self._calls)

    @property
    def first(self) -> int:
        """Tokens that wait of the call that is due first. There is one."""
        return min((calls[0] for calls in self._calls.values()), key=_due_of).waiting

    @property
    def ahead(self) -> int:
        """Tokens that wait, and those that are expected to."""
        return self.tokens + sum(admission.expected for admission in self._expected)

    def expect(self, admission: Admission, tokens: int) -> None:
        """So many tokens of what was let in are still to come."""
        admission.expected = max(0, tokens)
        (self._expected.add if tokens > 0 else self._expected.discard)(admission)

    def add(self, job: Job, call: WaitingCall) -> None:
        insort(self._calls.setdefault(job, []), call, key=_due_of)
        self.tokens += call.waiting
        self.expect(call.admission, call.admission.expected - call.waiting)

    def remove(self, job: Job, call: WaitingCall) -> int:
        """Forget what waits of a call: how many items that was."""
        items = call.items_waiting
        calls = self._calls.get(job, [])
        if items and call in calls:
            calls.remove(call)
            self._drop_if_empty(job)
        self.tokens -= call.waiting
        call.drop()
        return items

    def due_before(self, due: float) -> int:
        """Tokens that wait, or are expected to, and are due before then or just then."""
        waiting = sum(call.waiting for calls in self._calls.values() for call in calls if call.admission.due <= due)
        return waiting + sum(admission.expected for admission in self._expected if admission.due <= due)

    def next_batch(self, room: int) -> tuple[Job, _Batch, list[WaitingCall]]:
        """The job in turn, places of at most `room` tokens of its calls, and calls found to be too late."""
        job, calls = min(self._calls.items(), key=lambda item: item[1][0].admission.due)
        batch: _Batch = {}
        late = []
        now = monotonic()
        while calls and (room > 0 or not batch):
            call = calls[0]
            if call.admission.expires <= now:
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
        self._drop_if_empty(job)
        return job, batch, late

    def _drop_if_empty(self, job: Job) -> None:
        if not self._calls[job]:
            del self._calls[job]


class Batcher:
    """Does the work of many calls on a fixed number of worker threads. Belongs to one event loop."""

    def __init__(self, *, workers: int, max_batch: int, max_queued: int, observer: Observer | None = None) -> None:
        """max_batch, max_queued: in tokens."""
        self.workers = workers
        self.max_batch = max_batch
        self.max_queued = max_queued
        self._observer: Observer = observer or Unobserved()
        # Threads for whatever mixture there may be; the workers are those that are at work.
        self._pool_of_small = _threads(workers + 1, "link-small", SMALL_NICENESS)
        self._pool_of_large = _threads(workers, "link-large", LARGE_NICENESS)
        self._idle = workers
        self._at_large = 0  # workers at a batch of large calls
        self._passing = False
        self._closed = False
        self._small, self._large = _Queue(), _Queue()
        self._small_until = 0.0
        self._seconds_per_token = 0.0002
        self._stretch = max(STRETCH, 2 * workers)

    @property
    def queued(self) -> int:
        """Tokens that no worker has taken yet."""
        return self._small.ahead + self._large.ahead

    @contextmanager
    def admitted(self, tokens: int, *, timeout_s: float | None = None) -> Iterator[Admission]:
        """Let a call in that is expected to cost so much in all. Raises `Busy` or `NotReady`."""
        self._check_open()
        self.check_room(tokens)
        expires = float("inf") if timeout_s is None else monotonic() + timeout_s
        admission = Admission(tokens <= SMALL, self._due(tokens), expires, tokens)
        queue = self._small if admission.is_small else self._large
        queue.expect(admission, tokens)
        try:
            yield admission
        finally:
            queue.expect(admission, 0)

    async def run(self, job: Job, items: Sequence[Any], tokens: Sequence[int], admission: Admission) -> list[Any]:
        """The result of each item; `tokens` is what they cost. Raises `Expired`, `NotReady` or `LinkingFailed`."""
        self._check_open()
        if not items:
            return []
        call = WaitingCall(items, tokens, admission, asyncio.get_running_loop().create_future())
        queue, other = (self._small, self._large) if admission.is_small else (self._large, self._small)
        if not queue:  # what it did not use while it was empty is not made up for
            queue.taken = max(queue.taken, other.taken)
        queue.add(job, call)
        self._start_batches()
        try:
            return await call.future
        finally:
            left_out = queue.remove(job, call)
            if left_out and call.future.cancelled():
                self._observer.cancelled(mentions=left_out * job.links)

    def _check_open(self) -> None:
        if self._closed:
            raise NotReady("the server is stopping; try another, or again")

    def close(self) -> None:
        """Take no more calls, and wait for the workers."""
        self._closed = True
        for pool in (self._pool_of_small, self._pool_of_large):
            pool.shutdown(wait=True, cancel_futures=True)

    def check_room(self, tokens: int) -> None:
        """Raise `Busy` where a call that costs so much would not be answered in time."""
        small = tokens <= SMALL
        if small:
            self._small_until = monotonic() + max(ABOUT_S, ABOUT_BATCHES * self.max_batch * self._seconds_per_token)
        waiting = self._small.ahead if small else self.queued
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
        return max(max(self.workers, LEAST_BATCHES) * self.max_batch, self._stretch * tokens)

    def _due(self, tokens: int) -> float:
        return monotonic() + self._allowed(tokens) * self._seconds_per_token / self.workers

    def _start_batches(self) -> None:
        while not self._closed and (queue := self._next_queue()) is not None:
            job, batch, late = queue.next_batch(self._room(queue))
            for call in late:
                self._observer.expired(mentions=call.items_waiting * job.links)
                call.fail(Expired("the deadline passed while the call was waiting"))
            if batch:
                self._start(job, batch, queue)

    def _next_queue(self) -> _Queue | None:
        """The queue in turn, of those that have something for which there is a thread."""
        turn_of_small = self._small and (not self._large or self._small.taken <= self._large.taken)
        if self._idle:
            return self._small if turn_of_small else self._large or None
        may_pass = not self._passing and self._at_large == self.workers
        return self._small if turn_of_small and may_pass else None

    def _room(self, queue: _Queue) -> int:
        """Tokens for the next batch of a queue."""
        if queue is self._large and monotonic() < self._small_until:
            return min(SMALL, int(SHORT_S / self._seconds_per_token))
        # What is waiting is spread over the workers that are free: a lone large call does not leave one of them idle.
        most = max(self.max_batch, min(queue.first, LONG * self.max_batch))
        return min(most, max(SMALL, ceil(queue.tokens / max(1, self._idle))))

    def _start(self, job: Job, batch: _Batch, queue: _Queue) -> None:
        started = monotonic()
        passes, at_large = not self._idle, int(queue is self._large)
        self._passing |= passes
        self._idle -= not passes
        self._at_large += at_large
        self._observer.batch_formed(
            mentions=sum(map(len, batch.values())) * job.links,
            tokens=_tokens(batch),
            waited_s=[admission.queue_ns / 1e9 for admission in {call.admission for call in batch}],
        )
        shares = [call.share(places) for call, places in batch.items()]

        def finish(outcome: Outcome) -> None:
            if passes:
                self._passing = False
            self._idle += not passes
            self._at_large -= at_large
            self._finish(job, batch, outcome, started)

        pool = self._pool_of_large if at_large else self._pool_of_small
        try:
            running = asyncio.get_running_loop().run_in_executor(pool, work, job, shares)
        except RuntimeError as error:  # no thread is to be had: nobody may wait for it
            failed = LinkingFailed("no worker could be started")
            failed.__cause__ = error
            finish(Outcome([failed] * len(batch)))
            return
        running.add_done_callback(lambda done: finish(done.result()))

    def _finish(self, job: Job, batch: _Batch, outcome: Outcome, started: float) -> None:
        took = (monotonic() - started) / _tokens(batch)
        self._seconds_per_token += _SMOOTHING * (took - self._seconds_per_token)
        done = 0
        for (call, places), results in zip(batch.items(), outcome.results, strict=True):
            if isinstance(results, LinkingFailed):
                self._observer.batch_failed(mentions=len(places) * job.links)
                call.fail(results)
            else:
                done += len(places)
                call.answer(places, results, outcome.timings)
        if done:
            self._observer.batch_done(mentions=done * job.links, reranked=outcome.reranked, timings=outcome.timings)
        self._start_batches()


def _threads(count: int, name: str, niceness: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix=name, initializer=give_way, initargs=(niceness,))


def _tokens(batch: _Batch) -> int:
    return sum(call.tokens[place] for call, places in batch.items() for place in places)


def _due_of(call: WaitingCall) -> float:
    return call.admission.due
