"""Servers on loopback that answer by a script: echoes, where a mention's concept is its own text, and faults."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from linker.client import AsyncLinkerClient, LinkerClient, Settings
from linker.records import Candidate, Link, MatchSource, Mention
from linker.v1 import linking_service_pb2 as linking
from linker.v1.common_pb2 import Provenance
from linker.v1.linking_service_pb2_grpc import LinkingServiceServicer, add_LinkingServiceServicer_to_server
from linker.wire import result_message

DIGEST = "d" * 64
Answer = Callable[[Any, "Scripted"], Iterable[Any]]


def fault(name: str, message: str = "", *details: Any) -> Status:
    status = Status(code=grpc.StatusCode[name].value[0], message=message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def busy(seconds: float) -> Status:
    retry = RetryInfo()
    retry.retry_delay.FromMilliseconds(int(seconds * 1000))
    return fault("RESOURCE_EXHAUSTED", "too much is waiting", retry)


def bad(field: str) -> Status:
    violations = BadRequest(field_violations=[{"field": field, "description": "expected 1 to 1,024 characters"}])
    return fault("INVALID_ARGUMENT", f"{field}: expected", violations)


def echoed(text: str) -> Link:
    return Link(Mention(text), (Candidate(-1, f"ECHO:{text}", text, text, "preferred", MatchSource.EXACT, 1.0, 1.0),))


class Scripted(LinkingServiceServicer):
    """An echo with a script.

    faults: what the next requests end with, None for an answer. streams: how the next streams go, by name.
    too_large: so many mentions have too large an answer. gate: answers wait until it is open. over: a stream of
    mentions has ended, of whichever side's doing.
    """

    fault, busy, bad = staticmethod(fault), staticmethod(busy), staticmethod(bad)

    def __init__(self) -> None:
        self.requests: list[linking.LinkMentionsRequest] = []
        self.metadata: list[dict[str, str]] = []
        self.faults: deque[Status | None] = deque()
        self.streams: deque[str] = deque()
        self.too_large = 1 << 30
        self.opened = 0
        self.digest = DIGEST
        self.gate = threading.Event()
        self.gate.set()
        self.over = threading.Event()

    def answer(self, request: Any) -> Any:
        provenance = Provenance(bundle_digest=self.digest, bundle="echo")
        if isinstance(request, linking.AnnotateDocumentsRequest):
            results = [self.annotated(document.text) for document in request.documents]
            return linking.AnnotateDocumentsResponse(results=results, provenance=provenance)
        results = [result_message(echoed(mention.text), "") for mention in request.mentions]
        return linking.LinkMentionsResponse(results=results, provenance=provenance)

    def annotated(self, text: str) -> linking.DocumentResult:
        """All of the text is one mention; "bad" is a document that the server fails with."""
        if text == "bad":
            return linking.DocumentResult(error={"code": 13, "message": "internal error"})
        mention = {"link": result_message(echoed(text), ""), "pieces": [{"begin": 0, "end": len(text)}]}
        return linking.DocumentResult(annotation={"mentions": [mention]})

    def fault_of(self, request: Any) -> Status | None:
        if self.faults and (status := self.faults.popleft()) is not None:
            return status
        if request.options.bundle_digest not in ("", self.digest):
            return fault("FAILED_PRECONDITION", "another bundle")
        if len(getattr(request, "mentions", None) or request.documents) >= self.too_large:
            return fault("RESOURCE_EXHAUSTED", "the response has too many bytes")
        return None

    def LinkMentions(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.requests.append(request)
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata()})
        self.gate.wait(10)
        status = self.fault_of(request)
        if status is not None:
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            [code] = [code for code in grpc.StatusCode if code.value[0] == status.code]
            context.abort(code, status.message)
        return self.answer(request)

    AnnotateDocuments = LinkMentions

    def StreamAnnotateDocuments(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        for message in requests:
            yield linking.StreamAnnotateDocumentsResponse(
                batch_id=message.batch_id, response=self.answer(message.request)
            )

    def StreamLinkMentions(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: N802
        name = self.streams.popleft() if self.streams else "in_order"
        self.opened += 1
        context.add_callback(self.over.set)
        yield from SCRIPTS[name](self.recorded(requests), self)
        if name == "lost":
            context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    def recorded(self, requests: Iterator[Any]) -> Iterator[Any]:
        for message in requests:
            self.requests.append(message.request)
            yield message


def response_to(message: Any, scripted: Scripted) -> linking.StreamLinkMentionsResponse:
    status = scripted.fault_of(message.request)
    if status is not None:
        error = linking.BatchError.FromString(status.SerializeToString())
        return linking.StreamLinkMentionsResponse(batch_id=message.batch_id, error=error)
    return linking.StreamLinkMentionsResponse(batch_id=message.batch_id, response=scripted.answer(message.request))


def in_order(messages: Iterator[Any], scripted: Scripted) -> Iterator[Any]:
    for message in messages:
        yield response_to(message, scripted)


def last_first(messages: Iterator[Any], scripted: Scripted) -> Iterator[Any]:
    """Answers the first three batches in the opposite order."""
    first = [next(messages), next(messages), next(messages)]
    yield from (response_to(message, scripted) for message in reversed(first))
    yield from in_order(messages, scripted)


def go_away(messages: Iterator[Any], scripted: Scripted) -> Iterator[Any]:
    """Says that it is leaving, and answers the one batch that it has read."""
    message = next(messages)
    yield linking.StreamLinkMentionsResponse(go_away=linking.GoAway(reason=linking.GO_AWAY_REASON_RELOADED))
    yield response_to(message, scripted)


def skips(messages: Iterator[Any], scripted: Scripted) -> Iterator[Any]:
    """Answers the second of three batches, and leaves."""
    _, second, _ = next(messages), next(messages), next(messages)
    yield response_to(second, scripted)
    yield linking.StreamLinkMentionsResponse(go_away=linking.GoAway(reason=linking.GO_AWAY_REASON_STOPPING))


def lost(messages: Iterator[Any], scripted: Scripted) -> Iterator[Any]:
    """Answers one batch, and the connection is lost with the next one unanswered."""
    yield response_to(next(messages), scripted)
    next(messages)


def refused(messages: Iterator[Any], scripted: Scripted) -> Iterator[Any]:
    """Ends without a word."""
    yield from ()


SCRIPTS: dict[str, Answer] = {
    script.__name__: script for script in (in_order, last_first, go_away, skips, lost, refused)
}


class Serving:
    """A scripted server and its address."""

    def __init__(self, credentials: grpc.ServerCredentials | None = None, port: int = 0) -> None:
        self.scripted = Scripted()
        self.server = grpc.server(ThreadPoolExecutor(16))
        add_LinkingServiceServicer_to_server(self.scripted, self.server)
        if credentials is None:
            self.port = self.server.add_insecure_port(f"127.0.0.1:{port}")
        else:
            self.port = self.server.add_secure_port(f"127.0.0.1:{port}", credentials)
        self.address = f"127.0.0.1:{self.port}"
        self.server.start()


def drive_blocking(address: str, use: Callable[[LinkerClient], Any], settings: Settings = Settings()) -> Any:
    with LinkerClient(address, settings=settings) as client:
        return use(client)


def drive_async(address: str, use: Callable[[AsyncLinkerClient], Any], settings: Settings = Settings()) -> Any:
    async def main() -> Any:
        async with AsyncLinkerClient(address, settings=settings) as client:
            used = use(client)
            return [item async for item in used] if isinstance(used, AsyncIterator) else await used

    return asyncio.run(main())


@pytest.fixture(params=[drive_blocking, drive_async], ids=["blocking", "async"])
def drive(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`drive(address, lambda client: client.link(...), settings)`, with each of the clients."""
    return request.param


@pytest.fixture
def serve() -> Iterator[Callable[..., Serving]]:
    """Starts scripted servers."""
    started: list[Serving] = []

    def start(*arguments: Any, **given: Any) -> Serving:
        started.append(Serving(*arguments, **given))
        return started[-1]

    yield start
    for serving in started:
        serving.scripted.gate.set()
        serving.server.stop(0).wait()


@pytest.fixture
def serving(serve: Callable[..., Serving]) -> Serving:
    return serve()


@pytest.fixture
def scripted(serving: Serving) -> Scripted:
    return serving.scripted
