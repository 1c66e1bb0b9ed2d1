from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from linker.options import Options
from linker.pipeline import Timings
from linker.records import Link, Mention, NilReason
from linker.server.batching import SLICE, Batcher
from linker.server.errors import Busy, Expired, LinkingFailed, NotReady
from linker.v1.linking_service_pb2 import LinkMentionsResponse

TIMINGS = Timings(1, 2, 3, 4)
BAD = Mention("bad")


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


@pytest.fixture
def fake() -> FakeLinker:
    return FakeLinker()


@pytest.fixture
async def new_batcher(fake: FakeLinker) -> AsyncIterator[Callable[..., Batcher]]:
    made: list[Batcher] = []

    def new(*, workers: int = 1, max_batch: int = 64, max_waiting: int = 1000) -> Batcher:
        made.append(Batcher(workers=workers, max_batch=max_batch, max_waiting=max_waiting))
        return made[-1]

    yield new
    fake.gate.set()
    for batcher in made:
        batcher.close()


def call(
    batcher: Batcher, fake: FakeLinker, names: list[str], options: Options = Options(), **more: float
) -> asyncio.Task:
    work = batcher.link(fake, [Mention(n) for n in names], options, ids=names, **more)  # type: ignore[arg-type]
    return asyncio.create_task(work)


async def busy(batcher: Batcher, fake: FakeLinker) -> asyncio.Task:
    """A call that holds the only worker until the gate opens."""
    first = call(batcher, fake, ["first"])
    await asyncio.to_thread(fake.entered.acquire)
    return first


def ids(linked: object) -> list[str]:
    return [result.mention_id for result in LinkMentionsResponse.FromString(linked.results).results]  # type: ignore[attr-defined]


async def test_a_free_worker_takes_all_that_waits(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    batcher = new_batcher()
    first = await busy(batcher, fake)
    calls = [call(batcher, fake, [f"{row}"]) for row in range(10)]
    await asyncio.sleep(0)
    assert batcher.waiting == 10
    fake.gate.set()
    linked = await asyncio.gather(first, *calls)
    assert fake.batches == [["first"], [str(row) for row in range(10)]]
    assert [ids(one) for one in linked] == [["first"], *[[str(row)] for row in range(10)]]
    assert batcher.waiting == 0


async def test_a_small_call_waits_for_a_slice_of_a_large_one(
    new_batcher: Callable[..., Batcher], fake: FakeLinker
) -> None:
    batcher = new_batcher(max_batch=2 * SLICE)
    first = await busy(batcher, fake)
    names = [f"{row}" for row in range(200)]
    large = call(batcher, fake, names)
    await asyncio.sleep(0)
    small = call(batcher, fake, ["small"])
    await asyncio.sleep(0)
    fake.gate.set()
    await asyncio.gather(first, large, small)
    assert "small" in fake.batches[1]
    assert max(map(len, fake.batches)) <= 2 * SLICE
    assert ids(large.result()) == names
    assert large.result().timings.encode_ns == len(fake.batches) - 1


async def test_other_options_have_other_batches(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    batcher = new_batcher()
    first = await busy(batcher, fake)
    calls = [call(batcher, fake, [f"{row}"], Options(top_k=1 + row % 2)) for row in range(6)]
    await asyncio.sleep(0)
    fake.gate.set()
    await asyncio.gather(first, *calls)
    assert fake.batches[1:] == [["0", "2", "4"], ["1", "3", "5"]]


async def test_a_full_queue_refuses(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    batcher = new_batcher(max_waiting=3)
    first = await busy(batcher, fake)
    waiting = call(batcher, fake, ["a", "b"])
    await asyncio.sleep(0)
    with pytest.raises(Busy) as raised:
        await call(batcher, fake, ["c", "d"])
    assert 0 < raised.value.retry_after_s <= 10
    last = call(batcher, fake, ["e"])
    fake.gate.set()
    await asyncio.gather(first, waiting, last)


async def test_expired_calls_are_not_linked(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
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
    assert batcher.waiting == 0


async def test_cancelled_calls_are_not_linked(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    batcher = new_batcher()
    first = await busy(batcher, fake)
    gone = call(batcher, fake, ["gone"])
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert batcher.waiting == 0
    fake.gate.set()
    await first
    assert fake.batches == [["first"]]


@pytest.mark.parametrize("error", [ValueError("x"), asyncio.CancelledError(), StopIteration(), SystemExit(3)])
async def test_one_bad_call_fails_alone(
    new_batcher: Callable[..., Batcher], fake: FakeLinker, error: BaseException
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


async def test_a_failed_slice_ends_its_call(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    batcher = new_batcher(max_batch=SLICE)
    fake.gate.set()
    with pytest.raises(LinkingFailed):
        await call(batcher, fake, ["bad", *["x"] * 500])
    assert batcher.waiting == 0
    assert len(fake.batches) == 1
    await call(batcher, fake, ["works on"])


async def test_a_closed_batcher_refuses(new_batcher: Callable[..., Batcher], fake: FakeLinker) -> None:
    batcher = new_batcher()
    batcher.close()
    with pytest.raises(NotReady):
        await call(batcher, fake, ["a"])
