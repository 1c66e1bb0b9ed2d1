"""`stream` of both clients, against servers that answer by a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from typing import Any

import pytest

from linker.client import AsyncLinkerClient, LinkerClient, ServerFault, Settings, Unavailable, streaming
from linker.errors import InvalidInput

Drive = Callable[..., Any]
BY_TWO = Settings(batch_size=2, in_flight=3)
TEXTS = [f"mention {number}" for number in range(25)]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "FIRST_PAUSE_S", 0.01)


def drained(client: Any, mentions: Any = TEXTS) -> Any:
    """The batches of a stream: a list of them, or an iterator that `drive` drains."""
    batches = client.stream(mentions)
    return list(batches) if isinstance(client, LinkerClient) else batches


def answers(batches: list[Any]) -> list[str]:
    return [link.concept.concept_id.removeprefix("ECHO:") for batch in batches for link in batch.links]


@pytest.mark.parametrize(
    "streams",
    [
        [],
        ["last_first"],
        ["go_away"],
        ["lost"],
        ["skips", "go_away", "lost", "refused", "lost", "go_away"],
        ["refused"] * 4,
    ],
)
def test_every_mention_once_and_in_order(drive: Drive, serving: Any, scripted: Any, streams: list[str]) -> None:
    scripted.streams += streams
    batches = drive(serving.address, drained, BY_TWO)
    assert answers(batches) == TEXTS
    assert {len(batch.links) for batch in batches} == {1, 2}
    assert {batch.provenance.bundle_digest for batch in batches} == {scripted.digest}
    assert scripted.opened == len(streams) + (streams[-1:] != ["last_first"])


def test_no_mentions(drive: Drive, serving: Any) -> None:
    assert drive(serving.address, lambda client: drained(client, []), BY_TWO) == []


def test_batches_that_fail_are_sent_again(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.faults += [None, scripted.busy(0.01), scripted.fault("UNAVAILABLE"), None, scripted.busy(0.01)]
    assert answers(drive(serving.address, drained, BY_TWO)) == TEXTS


def test_a_fault_ends_it(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.faults += [None, scripted.fault("INTERNAL", "a bug")]
    with pytest.raises(ServerFault, match="a bug"):
        drive(serving.address, drained, BY_TWO)


def test_a_bad_mention_is_named_by_its_place_in_the_whole(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.faults += [None, None, scripted.bad("mentions[1].text")]
    with pytest.raises(InvalidInput) as raised:
        drive(serving.address, drained, BY_TWO)
    assert raised.value.field == "mentions[5].text"


def test_an_answer_that_is_too_large_comes_by_other_calls(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.too_large = 2
    assert answers(drive(serving.address, drained, BY_TWO)) == TEXTS


def test_a_server_that_never_answers_is_given_up(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.streams += ["refused"] * 100
    with pytest.raises(Unavailable):
        drive(serving.address, drained, BY_TWO)
    assert scripted.opened == 6


def test_mentions_are_taken_as_answers_are(serving: Any, scripted: Any) -> None:
    scripted.streams += ["last_first"]
    taken = 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield f"mention {taken}"

    with LinkerClient(serving.address, settings=BY_TWO) as client:
        batches = client.stream(endless())
        assert taken == 0
        for given in range(20):
            assert len(next(batches).links) == 2
            assert taken <= (given + 3) * 2 + 1  # three in flight, and the one that shows that a batch is full
        batches.close()
    assert len(scripted.requests) <= 23


def test_an_async_source_and_an_early_end(serving: Any, scripted: Any) -> None:
    ended = False

    async def endless() -> AsyncIterator[str]:
        nonlocal ended
        try:
            while True:
                await asyncio.sleep(0)
                yield "a"
        finally:
            ended = True

    async def main() -> None:
        async with (
            AsyncLinkerClient(serving.address, settings=BY_TWO) as client,
            aclosing(endless()) as source,
            aclosing(client.stream(source)) as batches,
        ):
            async for batch in batches:
                assert len(batch.links) == 2
                if len(scripted.requests) > 10:
                    break

    asyncio.run(main())
    assert ended


def test_a_caller_that_stops_ends_the_call(serving: Any, scripted: Any) -> None:
    with LinkerClient(serving.address, settings=BY_TWO) as client:
        for _ in client.stream(TEXTS):
            break
        assert scripted.over.wait(10)  # the client is still open: its call alone has ended
    assert len(scripted.requests) <= BY_TWO.in_flight
