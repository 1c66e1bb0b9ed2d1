from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from linker.options import Options
from linker.pipeline import Linker, Timings
from linker.records import Link, Mention, NilReason
from linker.server.batching import LONG, SMALL, STRETCH, Batcher
from linker.server.bundles import Bundles
from linker.server.errors import Busy, Expired, LinkingFailed, NotReady
from linker.server.observer import Unobserved
from linker.server.work import LinkMentions
from linker.v1.linking_service_pb2 import LinkMentionsResponse
from linker.wire import result_message

TIMINGS = Timings(1, 2, 3, 4, 0)
BAD = Mention("bad")
COST = 8  # tokens of a mention here
FEW = SMALL // COST  # mentions of a small call at most


class FakeLinker:
    """Remembers its batches. Each batch waits until `gate` is set."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.error: BaseException = ValueError("bad mention")

    def link_timed(self, mentions: Sequence[Mention], _options: Options) -> tuple[list[Link], Timings]:
        self.batches.append([mention.text for mention in mentions])
        self.entered.release()
        assert self.gate.wait(10)
        if BAD in mentions:
            raise self.error
        return [Link(mention, (), NilReason.NO_CANDIDATE) for mention in mentions], TIMINGS


@dataclass
class Linked:
    results: bytes
    timings: Timings


class Seen(Unobserved):
    """Adds up what it is told."""

    def __init__(self) -> None:
        self.told: dict[str, list[Any]] = {}

    def _tell(self, what: str, value: Any) -> None:
        self.told.setdefault(what, []).append(value)

    def refused(self, *, tokens: int) -> None:
        self._tell("refused", tokens)

    def expired(self, *, mentions: int) -> None:
        self._tell("expired", mentions)

    def cancelled(self, *, mentions: int) -> None:
        self._tell("cancelled", mentions)

    def batch_formed(self, *, mentions: int, tokens: int, waited_s: Sequence[float]) -> None:
        self._tell("formed", (mentions, tokens, len(waited_s)))
        assert min(waited_s) >= 0

    def batch_done(self, *, mentions: int, reranked: int, timings: Timings) -> None:
        self._tell("linked", (mentions, reranked, timings))

    def batch_failed(self, *, mentions: int) -> None:
        self._tell("failed", mentions)


@pytest.fixture
def fake() -> FakeLinker:
    return FakeLinker()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def new_batcher(fake: FakeLinker, seen: Seen) -> AsyncIterator[Callable[..., Batcher]]:
    made: list[Batcher] = []

    def new(*, workers: int = 1, max_batch: int = 64 * COST, max_queued: int = 10_000 * COST) -> Batcher:
        made.append(Batcher(workers=workers, max_batch=max_batch, max_queued=max_queued, observer=seen))
        return made[-1]

    yield new
    fake.gate.set()
    for batcher in made:
        batcher.close()


def call(
    batcher: Batcher, fake: FakeLinker, names: list[str], options: Options = Options(), **more: float
) -> asyncio.Task:
    return asyncio.create_task(link(batcher, fake, names, options, [COST] * len(names), **more))


async def link(
    batcher: Batcher, linker: Any, names: Sequence[str], options: Options, tokens: Sequence[int], **more: float
) -> Linked:
    with batcher.admitted(sum(tokens), **more) as admission:
        items = [(Mention(name), name) for name in names]
        results = await batcher.run(LinkMentions(linker, options), items, tokens, admission)
    return Linked(b"".join(results), admission.timings)


async def busy(batcher: Batcher, fake: FakeLinker) -> asyncio.Task:
    """A call that holds the only worker until the gate opens."""
    first = call(batcher, fake, ["first"])
    await asyncio.to_thread(fake.entered.acquire)
    return first


def ids(linked: object) -> list[str]:
    return [result.mention_id for result in LinkMentionsResponse.FromString(linked.results).results]  # type: ignore[attr-defined]


async def test_a_free_worker_takes_all_that_waits(
    new_batcher: Callable[..., Batcher], fake: FakeLinker, seen: Seen
) -> None:
    batcher = new_batcher()
    first = await busy(batcher, fake)
    calls = [call(batcher, fake, [f"{row}"]) for row in range(10)]
    await asyncio.sleep(0)
    assert batcher.queued == 10 * COST
    fake.gate.set()
    linked = await asyncio.gather(first, *calls)
    assert fake.batches == [["first"], [str(row) for row in range(10)]]
    assert [ids(one) for one in linked] == [["first"], *[[str(row)] for row in range(10)]]
    assert batcher.queued == 0
    assert seen.told == {
        "formed": [(1, COST, 1), (10, 10 * COST, 10)],
        "linked": [(1, 0, TIMINGS), (10, 0, TIMINGS)],
    }


async def test_a_small_call_waits_for_one_batch_of_the_large_ones(
    new_batcher: Callable[..., Batcher], fake: FakeLinker
) -> None:
    batcher = new_batcher()
    first = await busy(batcher, fake)
    large = [[f"{n}.{row}" for row in range(200)] for n in range(3)]
    calls = [call(batcher, fake, names) for names in large]
    await asyncio.sleep(0)
    small = call(batcher, fake, ["small"])
    await asyncio.sleep(0)
    fake.gate.set()
    await asyncio.gather(first, small, *calls)
    assert fake.batches.index(["small"]) <= 2
    # Batches of large calls are short while small ones are about.
    assert max(map(len, fake.batches)) <= FEW
    assert [ids(one.result()) for one in calls] == large


class HoldsLarge(FakeLinker):
    """Only batches of several mentions wait for `gate`."""

    def link_timed(self, mentions: Sequence[Mention], options: Options) -> tuple[list[Link], Timings]:
        if len(mentions) > 1:
            return super().link_timed(mentions, options)
        return [Link(mention, (), NilReason.NO_CANDIDATE) for mention in mentions], TIMINGS


@pytest.mark.parametrize("workers", [1, 3])
async def test_small_calls_pass_large_ones_that_hold_every_worker(
    new_batcher: Callable[..., Batcher], workers: int
) -> None:
    held, batcher = HoldsLarge(), new_batcher(workers=workers)
    large = [call(batcher, held, ["x"] * 200) for _ in range(workers + 1)]
    for _ in range(workers):
        await asyncio.to_thread(held.entered.acquire)
    assert ids(await asyncio.wait_for(call(batcher, held, ["small"]), 5)) == ["small"]
    more = call(batcher, held, ["more"])
    await asyncio.sleep(0.05)
    assert not any(one.done() for one in [more, *large])  # small ones have half of the work, and had it
    held.gate.set()
    await asyncio.gather(more, *large)


async def test_no_call_passes_small_ones(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    """A thread more than there are workers would slow all of them."""
    batcher = new_batcher()
    first = await busy(batcher, fake)
    others = [call(batcher, fake, ["small"]), call(batcher, fake, ["large"] * 200)]
    await asyncio.sleep(0.05)
    assert fake.batches == [["first"]]
    fake.gate.set()
    await asyncio.gather(first, *others)


async def test_large_calls_alone_fill_their_batches(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    batcher = new_batcher()
    first = call(batcher, fake, ["x"] * 200)
    await asyncio.to_thread(fake.entered.acquire)
    second = call(batcher, fake, ["y"] * 200)
    await asyncio.sleep(0)
    fake.gate.set()
    await asyncio.gather(first, second)
    assert [len(batch) for batch in fake.batches] == [200, 200]
    assert first.result().timings.encode_ns == sum("x" in batch for batch in fake.batches)


async def test_what_is_due_first_goes_first(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    """Calls of one size in the order in which they came, and a smaller one before larger ones that came earlier."""
    batcher = new_batcher(max_batch=FEW * COST)
    first = await busy(batcher, fake)
    names = [["a"] * 10 * FEW, ["b"] * 10 * FEW, ["c"] * 3 * FEW]
    calls = [call(batcher, fake, own) for own in names]
    await asyncio.sleep(0)
    fake.gate.set()
    await asyncio.gather(first, *calls)
    order = [name for batch in fake.batches[1:] for name in batch]
    assert order == ["c"] * 3 * FEW + ["a"] * 10 * FEW + ["b"] * 10 * FEW


async def test_no_call_is_passed_for_ever(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    """Smaller calls that come when a large one is nearly due no longer pass it."""
    batcher = new_batcher(max_batch=FEW * COST)
    batcher._seconds_per_token = 1e-6
    first = await busy(batcher, fake)
    large = call(batcher, fake, ["large"] * 4 * FEW)
    await asyncio.sleep(0.05)
    later = call(batcher, fake, ["later"] * 2 * FEW)
    await asyncio.sleep(0)
    fake.gate.set()
    await asyncio.gather(first, large, later)
    order = [name for batch in fake.batches[1:] for name in batch]
    assert order == ["large"] * 4 * FEW + ["later"] * 2 * FEW


async def test_what_is_long_goes_together(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    """The mentions of a large call go by their tokens, and its results come in its own order all the same."""
    batcher = new_batcher(max_batch=SMALL)
    fake.gate.set()
    names = [str(n) for n in range(100)]
    tokens = [4 + n * 37 % 20 for n in range(100)]
    assert ids(await link(batcher, fake, names, Options(), tokens)) == names
    taken = [tokens[int(name)] for batch in fake.batches for name in batch]
    assert taken == sorted(tokens, reverse=True)
    assert max(sum(tokens[int(name)] for name in batch) for batch in fake.batches) <= LONG * SMALL


async def test_other_options_have_other_batches(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    batcher = new_batcher()
    first = await busy(batcher, fake)
    calls = [call(batcher, fake, [f"{row}"], Options(top_k=1 + row % 2)) for row in range(6)]
    await asyncio.sleep(0)
    fake.gate.set()
    await asyncio.gather(first, *calls)
    assert fake.batches[1:] == [["0", "2", "4"], ["1", "3", "5"]]


async def test_a_full_queue_refuses_at_once(new_batcher: Callable[..., Batcher], fake: FakeLinker, seen: Seen) -> None:
    batcher = new_batcher(max_queued=3 * COST)
    first = await busy(batcher, fake)
    waiting = call(batcher, fake, ["a", "b"])
    await asyncio.sleep(0)
    with pytest.raises(Busy) as raised:
        await call(batcher, fake, ["c", "d"])
    assert 0 < raised.value.retry_after_s <= 10
    assert seen.told["refused"] == [2 * COST]
    last = call(batcher, fake, ["e"])
    fake.gate.set()
    await asyncio.gather(first, waiting, last)


async def test_a_call_larger_than_the_queue_is_taken_when_nothing_waits(
    new_batcher: Callable[..., Batcher], fake: FakeLinker
) -> None:
    batcher = new_batcher(max_queued=COST)
    fake.gate.set()
    assert len(ids(await call(batcher, fake, ["x"] * 100))) == 100


async def test_large_calls_do_not_keep_small_ones_out(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    """Small calls are refused where five batches of small calls wait, and only there."""
    batcher = new_batcher(max_batch=8 * COST)
    first = await busy(batcher, fake)
    large = [call(batcher, fake, ["x"] * 200) for _ in range(4)]
    await asyncio.sleep(0)
    small = [call(batcher, fake, ["s"]) for _ in range(42)]
    await asyncio.sleep(0.01)
    assert [one.done() for one in small] == [False] * 40 + [True] * 2
    fake.gate.set()
    outcomes = await asyncio.gather(first, *large, *small, return_exceptions=True)
    assert [isinstance(outcome, Busy) for outcome in outcomes] == [False] * 45 + [True] * 2


async def test_small_and_large_calls_each_have_half_of_the_work(
    new_batcher: Callable[..., Batcher], fake: FakeLinker
) -> None:
    """However short the batches of the large ones are."""
    batcher = new_batcher(max_batch=FEW * COST)
    batcher._seconds_per_token = 0.015 / (2 * COST)  # so that those of large calls have two mentions
    first = await busy(batcher, fake)
    calls = [call(batcher, fake, ["large"] * 10 * FEW), *(call(batcher, fake, ["small"] * FEW) for _ in range(3))]
    await asyncio.sleep(0)
    fake.gate.set()
    await asyncio.gather(first, *calls)
    sizes = [(batch[0], len(batch)) for batch in fake.batches[1:]]
    last_small = max(place for place, (name, _) in enumerate(sizes) if name == "small")
    larges = sum(size for name, size in sizes[:last_small] if name == "large")
    assert FEW <= larges <= 3 * FEW


async def test_a_call_waits_for_what_fits_its_size(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    """Under overload, what is accepted is not far behind: at most five times its own work, or five batches."""
    batcher = new_batcher(max_batch=SMALL)
    first = await busy(batcher, fake)
    middling = [call(batcher, fake, ["m"] * 4 * FEW) for _ in range(11)]
    await asyncio.sleep(0.01)
    assert [one.done() for one in middling] == [False] * STRETCH + [True] * (11 - STRETCH)
    large = [call(batcher, fake, ["l"] * 20 * FEW) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert not any(one.done() for one in large)
    fake.gate.set()
    outcomes = await asyncio.gather(first, *middling, *large, return_exceptions=True)
    assert sum(isinstance(outcome, Busy) for outcome in outcomes) == 11 - STRETCH


async def test_expired_calls_are_not_linked(new_batcher: Callable[..., Batcher], fake: FakeLinker, seen: Seen) -> None:
    batcher = new_batcher()
    first = await busy(batcher, fake)
    late = call(batcher, fake, ["late"], timeout_s=0.01)
    in_time = call(batcher, fake, ["in time"], timeout_s=60)
    await asyncio.sleep(0.05)
    fake.gate.set()
    with pytest.raises(Expired):
        await late
    await asyncio.gather(first, in_time)
    assert fake.batches == [["first"], ["in time"]]
    assert batcher.queued == 0
    assert seen.told["expired"] == [1]


async def test_a_large_call_that_expires_is_given_up_between_its_batches(
    new_batcher: Callable[..., Batcher], fake: FakeLinker, seen: Seen
) -> None:
    batcher = new_batcher()
    large = call(batcher, fake, ["x"] * 500, timeout_s=0.05)
    await asyncio.to_thread(fake.entered.acquire)
    await asyncio.sleep(0.1)
    fake.gate.set()
    with pytest.raises(Expired):
        await large
    assert len(fake.batches) == 1
    assert seen.told["expired"] == [500 - len(fake.batches[0])]
    assert batcher.queued == 0


async def test_cancelled_calls_are_not_linked(
    new_batcher: Callable[..., Batcher], fake: FakeLinker, seen: Seen
) -> None:
    batcher = new_batcher()
    first = await busy(batcher, fake)
    gone = call(batcher, fake, ["gone"])
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert batcher.queued == 0
    fake.gate.set()
    await first
    assert fake.batches == [["first"]]
    assert seen.told["cancelled"] == [1]


@pytest.mark.parametrize("error", [ValueError("x"), asyncio.CancelledError(), StopIteration(), SystemExit(3)])
async def test_one_bad_call_fails_alone(
    new_batcher: Callable[..., Batcher], fake: FakeLinker, seen: Seen, error: BaseException
) -> None:
    fake.error = error
    batcher = new_batcher()
    first = await busy(batcher, fake)
    calls = [call(batcher, fake, names) for names in (["a"], ["bad"], ["b"])]
    await asyncio.sleep(0)
    fake.gate.set()
    a, bad, b = await asyncio.gather(*calls, return_exceptions=True)
    await first
    assert (ids(a), ids(b)) == (["a"], ["b"])
    assert isinstance(bad, LinkingFailed)
    assert bad.__cause__ is error
    assert seen.told["failed"] == [1]


async def test_a_failed_slice_ends_its_call(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    batcher = new_batcher(max_batch=SMALL)
    fake.gate.set()
    with pytest.raises(LinkingFailed):
        await call(batcher, fake, ["bad"] * 500)
    assert batcher.queued == 0
    assert len(fake.batches) == 1
    await call(batcher, fake, ["works on"])


async def test_nobody_waits_for_a_worker_that_cannot_be_started(
    new_batcher: Callable[..., Batcher], fake: FakeLinker, monkeypatch: pytest.MonkeyPatch
) -> None:
    batcher = new_batcher()

    def no_thread(*_: Any) -> Any:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(ThreadPoolExecutor, "submit", no_thread)
        with pytest.raises(LinkingFailed):
            await asyncio.wait_for(call(batcher, fake, ["a"] * 100), 5)
    fake.gate.set()
    assert ids(await call(batcher, fake, ["works on"])) == ["works on"]


async def test_a_closed_batcher_refuses(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    batcher = new_batcher()
    batcher.close()
    with pytest.raises(NotReady):
        await call(batcher, fake, ["a"])


SURFACES = ["MI", "heart attack", "cold", "asma", "hypertention", "diabetes melitus type 2", "xyzzy", " ", "metformin"]
calls_of = st.lists(
    st.tuples(st.lists(st.sampled_from(SURFACES), min_size=1, max_size=40), st.integers(1, 3)), min_size=1, max_size=8
)


@settings(max_examples=25)
@given(calls_of, st.integers(1, 2), st.sampled_from([8, 64, 512]))
def test_the_same_results_with_and_without_batching(
    linker: Linker, calls: list[tuple[list[str], int]], workers: int, max_batch: int
) -> None:
    """Whatever calls come together, each gets to the byte what it gets alone."""

    async def one(batcher: Batcher, texts: list[str], top_k: int) -> bytes:
        while True:
            try:
                return (await link(batcher, linker, texts, Options(top_k=top_k), [2 + len(t) for t in texts])).results
            except Busy:
                await asyncio.sleep(0.001)

    async def together() -> list[bytes]:
        batcher = Batcher(workers=workers, max_batch=max_batch, max_queued=100_000)
        linked = await asyncio.gather(*(one(batcher, texts, top_k) for texts, top_k in calls))
        batcher.close()
        return linked

    for (texts, top_k), got in zip(calls, asyncio.run(together()), strict=True):
        alone = [linker.link([Mention(text)], Options(top_k=top_k))[0] for text in texts]
        expected = LinkMentionsResponse(
            results=[result_message(link, text) for link, text in zip(alone, texts, strict=True)]
        )
        assert got == expected.SerializeToString()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is that of the whole process")
async def test_the_event_loop_comes_first_then_small_calls_then_large_ones_then_a_reload() -> None:
    batcher, bundles = Batcher(workers=1, max_batch=128, max_queued=1024), Bundles({})
    threads = (batcher._pool_of_small, batcher._pool_of_large, bundles._reloader)
    small, large, reload = (pool.submit(os.getpriority, os.PRIO_PROCESS, 0).result() for pool in threads)
    assert os.getpriority(os.PRIO_PROCESS, 0) < small < large < reload
    batcher.close()
    bundles.stop()
