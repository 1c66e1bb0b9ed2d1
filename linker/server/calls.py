"""A call from its first byte to its last: its id, who makes it, and what is told of it once it has ended.

What is told holds no text of a request: names of methods, numbers, digests, and ids that can hold nothing else.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import perf_counter_ns, time_ns
from typing import Protocol
from uuid import uuid4

import grpc
import structlog
from google.protobuf.message import Message

from linker.pipeline import Timings
from linker.server.access import OPEN, Access, certificate_subject, check_scope
from linker.server.logs import log_detail, log_error
from linker.server.tokens import Key

REQUEST_ID = "x-request-id"
UNKNOWN = "/unknown/unknown"  # a method that the server does not have: its name is the client's, and may say anything
TRACE_PARENT = "traceparent"
# A UUID or a W3C trace id. Nothing freer: a client could put a name or a record number there, and logs would keep it.
_REQUEST_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}", re.IGNORECASE)
_COUNTED = ("mentions", "documents", "codings", "concept_ids")


@dataclass(eq=False, slots=True)
class Call:
    """What is known of a call.

    client: `key:ID`, `certificate:SUBJECT`, both, or neither. items: mentions, documents, codings or ids asked for,
    in all messages of a stream. began_ns: since the epoch. stages: nanoseconds by stage of the work, where the call has
    any. code: OK until it ends.
    """

    method: str
    request_id: str
    peer: str = ""
    trace_parent: str = ""
    client: str = ""
    items: int = 0
    bundle_digest: str = ""
    stages: dict[str, int] = field(default_factory=dict)
    code: grpc.StatusCode = grpc.StatusCode.OK
    began_ns: int = field(default_factory=time_ns)
    duration_ns: int = 0
    _began: int = field(default_factory=perf_counter_ns)

    @property
    def trailers(self) -> tuple[tuple[str, str], ...]:
        """The metadata that tells the client the request id."""
        return ((REQUEST_ID, self.request_id),)

    @property
    def is_probe(self) -> bool:
        """Whether it asks for health only."""
        return self.method.split("/")[1] in OPEN

    def count(self, request: Message) -> None:
        """Add what a message asks for."""
        asked = getattr(request, "request", request)  # a batch of a stream wraps what a single call would send
        self.items += sum(len(getattr(asked, name, ())) for name in _COUNTED)

    def worked(self, queue_ns: int, timings: Timings) -> None:
        """Add the time that work took, stage by stage."""
        for stage, took in (("queue", queue_ns), *timings.stages.items()):
            self.stages[stage] = self.stages.get(stage, 0) + took

    def end(self) -> None:
        """Take the time."""
        self.duration_ns = perf_counter_ns() - self._began


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def current_call() -> Call | None:
    """The call that is being answered here; None outside of any."""
    return _current.get()


class CallObserver(Protocol):
    """Is told of calls: a log, metrics, traces."""

    def call_began(self, call: Call) -> None:
        """`call` is about to be answered."""

    def call_ended(self, call: Call) -> None:
        """`call` was answered, or failed, or its client has gone."""


class Calls:
    """Begins and ends every call of a server."""

    def __init__(self, access: Access | None = None, observers: Sequence[CallObserver] = ()) -> None:
        self._access = access or Access()
        self._observers = tuple(observers)

    @contextmanager
    def answering(self, method: str, context: grpc.aio.ServicerContext) -> Iterator[Call]:
        """The call, from begin to end. Whoever answers it sets `code` where it fails."""
        metadata = [(name, value) for name, value in context.invocation_metadata() or ()]
        call = Call(
            method,
            _request_id([value for name, value in metadata if name == REQUEST_ID]),
            peer=context.peer(),
            trace_parent=next((str(value) for name, value in metadata if name == TRACE_PARENT), ""),
        )
        # Neither is undone: each call is a task of its own, with variables of its own.
        _current.set(call)
        structlog.contextvars.bind_contextvars(request_id=call.request_id)
        context.set_trailing_metadata(call.trailers)
        self._tell("call_began", call)
        try:
            yield call
        except (asyncio.CancelledError, GeneratorExit):
            remaining = context.time_remaining()
            expired = remaining is not None and remaining <= 0
            call.code = grpc.StatusCode.DEADLINE_EXCEEDED if expired else grpc.StatusCode.CANCELLED
            raise
        finally:
            call.end()
            self._tell("call_ended", call)

    def admit(self, call: Call, context: grpc.aio.ServicerContext) -> None:
        """Note who makes the call, whether or not they may. Raises `Unauthenticated` or `Forbidden`."""
        key = self.identify(call, context)
        if key is not None:
            check_scope(call.method, key)

    def identify(self, call: Call, context: grpc.aio.ServicerContext) -> Key | None:
        """Note who makes the call. Their key, where one is asked for. Raises `Unauthenticated`."""
        subject = certificate_subject(context)
        call.client = f"certificate:{subject}" if subject else ""
        key = self._access.identify(call.method, context)
        if key is not None:
            call.client = f"{call.client} key:{key.key_id}".strip()
        return key

    def _tell(self, what: str, call: Call) -> None:
        for observer in self._observers:
            try:
                getattr(observer, what)(call)
            except Exception as error:  # a full disk of the audit log must not fail the call
                log_error("a call could not be told of", error, method=call.method)


class CallLog:
    """A line in the log for each call, at debug level."""

    def call_began(self, call: Call) -> None:
        """Nothing is known yet."""

    def call_ended(self, call: Call) -> None:
        """Write the line."""
        log_detail(
            "call",
            method=call.method,
            client=call.client,
            items=call.items,
            status=call.code.name,
            duration_ms=round(call.duration_ns / 1e6, 3),
        )


def _request_id(sent: Sequence[object]) -> str:
    """The client's where it sent one that is well-formed, else a new one."""
    match sent:
        case [str(value)] if _REQUEST_ID.fullmatch(value):
            return value
    return str(uuid4())
