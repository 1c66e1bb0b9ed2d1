"""A real server on loopback, in a thread with an event loop of its own, called by synchronous clients."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from linker.server import app, logs
from linker.server.app import Server
from linker.server.settings import Settings
from linker.server.snapshot import Snapshot
from linker.v1.admin_service_pb2_grpc import AdminServiceStub
from linker.v1.linking_service_pb2_grpc import LinkingServiceStub
from linker.v1.terminology_service_pb2_grpc import TerminologyServiceStub


class Running:
    """A server and clients of it."""

    def __init__(self, settings: Settings, bundles: Mapping[str, Path], *, opened: bool = True) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        logs.watch_loop(self.loop)
        try:
            self.server = self.run(self._started(settings, bundles))
        except BaseException:
            self._stop_loop()
            raise
        if opened:
            self.open()
        self.channel = grpc.insecure_channel(self.server.address)
        self._admin_channel = grpc.insecure_channel(self.server.admin_address)
        self.linking = LinkingServiceStub(self.channel)
        self.terminology = TerminologyServiceStub(self.channel)
        self.admin = AdminServiceStub(self._admin_channel)

    async def _started(self, settings: Settings, bundles: Mapping[str, Path]) -> Server:
        server = Server(settings, bundles)
        await server.bind()
        return server

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def open(self) -> None:
        self.run(self.server.open())

    def serve(self, snapshot: Snapshot) -> None:
        """Serve a snapshot as the default bundle, in the place of the one there is."""

        async def swap() -> None:
            self.server.bundles._replace(self.server.bundles.find(""), snapshot)

        self.run(swap())

    def raw(self, method: str, payload: bytes, *, timeout: float = 10) -> bytes:
        """Call a method, of either port, with bytes as they are."""
        channel = self._admin_channel if "Admin" in method else self.channel
        return channel.unary_unary(method)(payload, timeout=timeout)

    def close(self) -> None:
        self.channel.close()
        self._admin_channel.close()
        self.run(self.server.stop())
        self._stop_loop()

    def _stop_loop(self) -> None:
        self.run(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


def settings(**given: Any) -> Settings:
    return Settings(**{"port": 0, "admin_port": 0, "workers": 2, "grace_s": 5.0, **given})


@pytest.fixture(scope="session")
def snapshot(bundle: Path) -> Snapshot:
    return Snapshot.open(bundle, name="clinic", cached=0)


@pytest.fixture(scope="session")
def served(bundle: Path) -> Iterator[Running]:
    """One server for all tests that do not change it."""
    running = Running(settings(), {"clinic": bundle})
    yield running
    running.close()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch, snapshot: Snapshot, bundle: Path) -> Iterator[Callable[..., Running]]:
    """Starts servers of one's own: `start(workers=1)`. `opened=False` leaves the bundles closed."""
    monkeypatch.setattr(Snapshot, "open", lambda _, **given: snapshot)  # opened once is enough
    monkeypatch.setattr(app, "LAST_ANSWERS_S", 0.0)
    started: list[Running] = []

    def start_one(*, opened: bool = True, bundles: Mapping[str, Path] | None = None, **given: Any) -> Running:
        started.append(Running(settings(**given), bundles or {"clinic": bundle}, opened=opened))
        return started[-1]

    yield start_one
    for running in started:
        running.close()


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """What the server logs, as it would in a process of its own."""
    root = logging.getLogger()
    saved = root.handlers[:], root.level, sys.excepthook, sys.unraisablehook, threading.excepthook
    stream = io.StringIO()
    logs.configure(stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level, sys.excepthook, sys.unraisablehook, threading.excepthook = saved
    structlog.reset_defaults()


MENTIONS = {"mentions": [{"text": "MI", "context": "an MI in 2019", "context_span": {"begin": 3, "end": 5}}]}
DOCUMENTS = {
    "documents": [
        {"document_id": "n1", "text": "FH: no MI, possible type 2 diabetes mellitus (TD)", "language": "en"},
        {"text": "an MI in 2019", "given": {"spans": [{"pieces": [{"begin": 3, "end": 5}]}]}},
    ]
}
VALID: dict[str, dict[str, Any]] = {
    "LinkMentions": MENTIONS,
    "StreamLinkMentions": {"batch_id": 1, "request": MENTIONS},
    "AnnotateDocuments": DOCUMENTS,
    "StreamAnnotateDocuments": {"batch_id": 1, "request": DOCUMENTS},
    "GetConcept": {"concept_id": "CLINIC:0001"},
    "BatchGetConcepts": {"concept_ids": ["CLINIC:0001", "CLINIC:0002"]},
    "SearchConcepts": {"query": "my"},
    "ListAncestors": {"concept_id": "CLINIC:0001"},
    "ListDescendants": {"concept_id": "CLINIC:0001"},
    "MapCodes": {"codings": [{"system": "ICD10CM", "code": "I21.9"}]},
    "ServerReflectionInfo": {"list_services": ""},
}


@dataclass(frozen=True)
class Method:
    """A method of the server, found in its descriptor: what is added to a proto is tested without being added here."""

    descriptor: MethodDescriptor

    @property
    def path(self) -> str:
        return f"/{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def is_admin(self) -> bool:
        return self.descriptor.containing_service.full_name == app.ADMIN

    def valid(self) -> list[Message]:
        """Requests that the server takes: one, and one more for each value of each enum in it."""
        base = GetMessageClass(self.descriptor.input_type)(**VALID.get(self.descriptor.name, {}))
        return [base, *(_with(base, path, number) for path, number in _enum_values(self.descriptor.input_type))]

    def texts(self) -> Sequence[tuple[FieldDescriptor, ...]]:
        """The way to each field that holds text."""
        return [way for way in _fields(self.descriptor.input_type) if way[-1].type in _TEXT]

    def nonsense(self, request: Message) -> Iterator[Message]:
        """The request with one number each, or enum, that no server expects there, and all else as it was."""
        for way in _fields(self.descriptor.input_type):
            for value in _NONSENSE.get(way[-1].cpp_type, ()):
                yield _with(request, way, value)

    def with_text(self, request: Message, way: Sequence[FieldDescriptor], text: str) -> Message:
        """The request with `text` in the field that the way leads to, and all else as it was."""
        return _with(request, way, text.encode() if way[-1].type == FieldDescriptor.TYPE_BYTES else text)

    def call(self, channel: grpc.Channel, payload: bytes, **given: Any) -> Ended:
        """Call it with bytes as they are."""
        d = self.descriptor
        many = f"{'stream' if d.client_streaming else 'unary'}_{'stream' if d.server_streaming else 'unary'}"
        sent = iter([payload]) if d.client_streaming else payload
        try:
            if d.server_streaming:
                call = getattr(channel, many)(self.path)(sent, **{"timeout": 60, **given})
                received = []
                for response in call:
                    received.append(response)
                    if d.name == "Watch":
                        call.cancel()
                        break
            else:
                response, call = getattr(channel, many)(self.path).with_call(sent, **{"timeout": 60, **given})
                received = [response]
        except grpc.RpcError as error:
            return Ended(error.code(), error.details(), repr(error.trailing_metadata()), b"")
        if d.name == "Watch":
            return Ended(grpc.StatusCode.OK, "", "", b"".join(received))
        return Ended(call.code(), call.details(), repr(call.trailing_metadata()), b"".join(received))


@dataclass(frozen=True)
class Ended:
    """How a call ended, for its client."""

    code: grpc.StatusCode
    details: str
    trailers: str
    received: bytes


_NONSENSE: dict[int, tuple[float, ...]] = {
    FieldDescriptor.CPPTYPE_INT32: (-1, 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-1, 2**63 - 1),
    FieldDescriptor.CPPTYPE_ENUM: (-1, 999),
    FieldDescriptor.CPPTYPE_DOUBLE: (-1.0, float("nan")),
}
_TEXT = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)
_Way = tuple[FieldDescriptor, ...]


def _fields(message: Descriptor, way: _Way = ()) -> Iterator[_Way]:
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            yield from _fields(field.message_type, (*way, field))
        else:
            yield (*way, field)


def _enum_values(message: Descriptor) -> Iterator[tuple[_Way, int]]:
    for way in _fields(message):
        if way[-1].type == FieldDescriptor.TYPE_ENUM:
            yield from ((way, value.number) for value in way[-1].enum_type.values)


def _with(request: Message, way: Sequence[FieldDescriptor], value: object) -> Message:
    changed = type(request)()
    changed.CopyFrom(request)
    place: Any = changed
    for field in way[:-1]:
        inner = getattr(place, field.name)
        place = (inner[0] if len(inner) else inner.add()) if field.is_repeated else inner
    if way[-1].is_repeated:
        getattr(place, way[-1].name)[:] = [value]
    else:
        setattr(place, way[-1].name, value)
    return changed


@pytest.fixture(scope="session")
def methods() -> list[Method]:
    """Every method of both ports."""
    modules = (
        app.linking_service_pb2,
        app.terminology_service_pb2,
        app.admin_service_pb2,
        app.health_pb2,
        app.reflection_pb2,
    )
    services = [service for module in modules for service in module.DESCRIPTOR.services_by_name.values()]
    found = [Method(method) for service in services for method in service.methods]
    return [method for method in found if method.path != "/grpc.health.v1.Health/List"]  # not implemented
