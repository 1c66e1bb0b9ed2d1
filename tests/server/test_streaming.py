from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo

from linker.options import Options
from linker.pipeline import Linker
from linker.records import Mention
from linker.server.batching import Batcher
from linker.server.bundles import Bundles
from linker.server.snapshot import Snapshot
from linker.server.streaming import BatchStream
from linker.v1 import linking_service_pb2 as linking
from linker.wire import link_request

WAIT_S = 20.0
SURFACES = ["heart attack", "MI", "cold", "hipertensión", "xyzzy"]


def batch(number: int, *texts: str, **options: Any) -> linking.StreamLinkMentionsRequest:
    request = link_request([Mention(text) for text in texts], Options())
    request.options.MergeFrom(linking.LinkingOptions(**options))
    return linking.StreamLinkMentionsRequest(batch_id=number, request=request)


class Client:
    """An open stream: what is sent, and what comes."""

    def __init__(self, running: Any) -> None:
        self.sent = 0
        self._requests: queue.Queue[linking.StreamLinkMentionsRequest | None] = queue.Queue()
        self.responses = running.linking.StreamLinkMentions(self._read(), timeout=WAIT_S)

    def _read(self) -> Iterator[linking.StreamLinkMentionsRequest]:
        while (request := self._requests.get()) is not None:
            self.sent += 1
            yield request

    def send(self, request: linking.StreamLinkMentionsRequest) -> None:
        self._requests.put(request)

    def close(self) -> None:
        self._requests.put(None)

    def next(self) -> linking.StreamLinkMentionsResponse:
        return next(self.responses)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def results(response: linking.LinkMentionsResponse) -> list[bytes]:
    return [result.SerializeToString(deterministic=True) for result in response.results]


def test_each_batch_has_the_answer_that_a_call_has(served: Any) -> None:
    batches = {number: [SURFACES[number % 5]] * (1 + number % 7) for number in range(50)}
    stream = served.linking.StreamLinkMentions(iter([batch(n, *texts) for n, texts in batches.items()]))
    answers = {answer.batch_id: answer for answer in stream}
    assert sorted(answers) == sorted(batches)
    for number, texts in batches.items():
        alone = served.linking.LinkMentions(link_request([Mention(text) for text in texts], Options()))
        assert results(answers[number].response) == results(alone)
        assert answers[number].response.provenance == alone.provenance
        assert answers[number].response.timing.total_duration.ToNanoseconds() > 0


def test_a_bad_batch_fails_alone(served: Any, linker: Linker) -> None:
    sent = [batch(1, "MI"), batch(2, ""), batch(3, "MI", bundle_digest="0" * 64), batch(4, "MI", bundle="other")]
    answers = {answer.batch_id: answer for answer in served.linking.StreamLinkMentions(iter([*sent, batch(5, "cold")]))}
    assert [answers[n].WhichOneof("outcome") for n in range(1, 6)] == [
        "response",
        "error",
        "error",
        "error",
        "response",
    ]
    codes = [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT]
    assert [answers[n].error.code for n in (2, 3, 4)] == [code.value[0] for code in codes]
    bad = BadRequest()
    assert answers[2].error.details[0].Unpack(bad)
    assert [violation.field for violation in bad.field_violations] == ["mentions[0].text"]
    assert linker.bundle.digest in answers[3].error.message
    assert answers[4].error.message == "options.bundle: expected a bundle of this server: clinic"


def test_bytes_that_are_no_batch_end_the_stream(served: Any) -> None:
    stream = served.channel.stream_stream("/linker.v1.LinkingService/StreamLinkMentions")
    with pytest.raises(grpc.RpcError) as raised:
        list(stream(iter([batch(1, "MI").SerializeToString(), b"\xff\xff\xff"]), timeout=WAIT_S))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


class Gate:
    """Holds every batch of the workers until it is opened, and counts the mentions that came."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        link_timed = Linker.link_timed

        def gated(linker: Linker, mentions: Any, options: Options) -> Any:
            self.entered.release()
            assert self.open.wait(WAIT_S)
            return link_timed(linker, mentions, options)

        monkeypatch.setattr(Linker, "link_timed", gated)


def test_no_more_batches_are_read_than_are_worked_on(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(workers=1, max_in_flight_batches=2)
    gate = Gate(monkeypatch)
    most = []
    run = Batcher.run

    async def counted(batcher: Batcher, *args: Any, **more: Any) -> Any:
        most.append(batcher._small.tokens)
        return await run(batcher, *args, **more)

    monkeypatch.setattr(Batcher, "run", counted)
    client = Client(running)
    for number in range(10):
        client.send(batch(number, "MI"))
    client.close()
    assert gate.entered.acquire(timeout=WAIT_S)
    wait_for(lambda: len(most) == 2)
    # Whoever calls now is behind two batches of the stream, one in the worker and one waiting, and not behind ten.
    beside = running.linking.LinkMentions.future(link_request([Mention("MI")], Options()))
    wait_for(lambda: len(most) == 3)
    assert most == [0, 0, 3]
    gate.open.set()
    assert sorted(answer.batch_id for answer in client.responses) == list(range(10))
    assert beside.result().results


def test_a_full_queue_refuses_a_batch_and_not_the_stream(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(workers=1, max_queued_tokens=4)
    gate = Gate(monkeypatch)
    client = Client(running)
    client.send(batch(1, "MI"))
    assert gate.entered.acquire(timeout=WAIT_S)
    client.send(batch(2, "MI"))
    client.send(batch(3, "MI"))
    refused = client.next()
    assert refused.batch_id == 3
    assert refused.error.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    retry = RetryInfo()
    assert refused.error.details[0].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() >= 50
    gate.open.set()
    assert sorted(client.next().batch_id for _ in range(2)) == [1, 2]
    client.close()


def test_a_stream_leaves_when_its_bundle_is_replaced(
    start: Callable[..., Any], bundle: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is answered from the old snapshot; then the stream ends with OK."""
    running = start(workers=1)
    gate = Gate(monkeypatch)
    client = Client(running)
    client.send(batch(1, "MI"))
    assert gate.entered.acquire(timeout=WAIT_S)
    other = Snapshot(running.server.bundles.get().annotator, running.server.bundles.get().provenance)
    running.serve(other)
    leaving = client.next()
    assert (leaving.batch_id, leaving.go_away.reason) == (0, linking.GO_AWAY_REASON_RELOADED)
    gate.open.set()
    assert [answer.batch_id for answer in client.responses] == [1]
    assert client.responses.code() is grpc.StatusCode.OK


def test_a_stream_that_has_used_nothing_stays(start: Callable[..., Any]) -> None:
    running = start()
    client = Client(running)
    running.serve(Snapshot(running.server.bundles.get().annotator, running.server.bundles.get().provenance))
    client.send(batch(1, "MI"))
    assert client.next().response.results
    client.close()
    assert list(client.responses) == []


def test_a_stream_leaves_when_the_server_stops(start: Callable[..., Any]) -> None:
    running = start()
    client = Client(running)
    client.send(batch(1, "MI"))
    assert client.next().response.results
    running.run(running.server.drain())
    assert [answer.go_away.reason for answer in client.responses] == [linking.GO_AWAY_REASON_STOPPING]
    assert client.responses.code() is grpc.StatusCode.OK


def test_a_client_that_goes_leaves_nothing_behind(
    start: Callable[..., Any], log_lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(workers=1)
    gate = Gate(monkeypatch)
    client = Client(running)
    for number in range(5):
        client.send(batch(number, "MI"))
    assert gate.entered.acquire(timeout=WAIT_S)
    client.responses.cancel()
    client.close()
    gate.open.set()
    assert running.linking.LinkMentions(link_request([Mention("cold")], Options()), timeout=WAIT_S).results
    assert running.server.batcher.queued == 0
    running.run(running.server.drain())
    assert "error" not in log_lines.getvalue()


async def test_a_stream_answers_from_one_version(snapshot: Snapshot) -> None:
    """Also what is read between a reload and the moment that the stream leaves."""
    bundles, chosen = Bundles({"clinic": Path()}), []
    bundles.find("").serve(snapshot)

    async def requests() -> AsyncIterator[linking.StreamLinkMentionsRequest]:
        yield batch(1, "MI")
        while not chosen:
            await asyncio.sleep(0)
        bundles._replace(bundles.find(""), Snapshot(snapshot.annotator, snapshot.provenance))
        yield batch(2, "MI")
        await asyncio.sleep(WAIT_S)

    async def link(_: linking.LinkMentionsRequest, choose: Callable[[str, str], Snapshot]) -> bytes:
        chosen.append(choose("", ""))
        return b""

    answers = [
        answer
        async for answer in BatchStream(link, linking.StreamLinkMentionsResponse, bundles, in_flight=8).responses(
            requests()
        )
    ]
    assert {answer.batch_id for answer in answers} == {0, 1, 2}
    assert chosen == [snapshot, snapshot]
