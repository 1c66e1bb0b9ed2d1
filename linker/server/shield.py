"""The outermost shield: whatever goes wrong in a handler leaves as one of the statuses in one table.

Without it, gRPC sends an exception's message to the client and writes it to the log, and that message may quote a
note. Requests reach a handler as raw bytes and are parsed in here, because gRPC's own parsing happens outside any
handler and ends as UNKNOWN. As an interceptor it covers every method of a server, also those added later: none is
answered before its caller was let in, and none ends untold (see `linker.server.calls`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from linker.errors import InvalidInput, NotFound
from linker.server.calls import UNKNOWN, Call, Calls
from linker.server.errors import (
    Busy,
    Expired,
    Forbidden,
    Malformed,
    NoSuchMethod,
    NotFit,
    NotReady,
    ResponseTooLarge,
    Unauthenticated,
    WrongBundle,
)
from linker.server.logs import log_error
from linker.violations import InvalidRequest

INTERNAL = "internal error; the server's log says where"
MALFORMED = "the request is not a message of the type this method takes"

# The one table. Messages of these errors say what was expected and never quote a request, so they are sent as they are.
CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (InvalidInput, grpc.StatusCode.INVALID_ARGUMENT),
    (Malformed, grpc.StatusCode.INVALID_ARGUMENT),
    (Unauthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (Forbidden, grpc.StatusCode.PERMISSION_DENIED),
    (NoSuchMethod, grpc.StatusCode.UNIMPLEMENTED),
    (NotFound, grpc.StatusCode.NOT_FOUND),
    (WrongBundle, grpc.StatusCode.FAILED_PRECONDITION),
    (NotFit, grpc.StatusCode.FAILED_PRECONDITION),
    (Busy, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (ResponseTooLarge, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (NotReady, grpc.StatusCode.UNAVAILABLE),
    (Expired, grpc.StatusCode.DEADLINE_EXCEEDED),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ends that did not succeed. details: messages of google.rpc that say more."""

    code: grpc.StatusCode
    text: str
    details: tuple[Message, ...] = ()

    @property
    def status(self) -> Status:
        """All of it as google.rpc.Status."""
        status = Status(code=self.code.value[0], message=self.text)
        for detail in self.details:
            packed = AnyMessage()
            packed.Pack(detail)
            status.details.append(packed)
        return status

    @property
    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """The trailing metadata that carries `details` to clients that read google.rpc.Status."""
        return (("grpc-status-details-bin", self.status.SerializeToString()),) if self.details else ()


def outcome_of(error: BaseException) -> Outcome:
    """How a call ends that raised `error`."""
    code = next((code for kind, code in CODES if isinstance(error, kind)), None)
    if code is None:
        return Outcome(grpc.StatusCode.INTERNAL, INTERNAL)
    return Outcome(code, str(error), _details(error))


def status_of(error: BaseException, event: str) -> bytes:
    """The bytes of a google.rpc.Status, and so of a BatchError, for what failed within a call. A bug is logged."""
    outcome = outcome_of(error)
    if outcome.code is grpc.StatusCode.INTERNAL:
        log_error(event, error)
    status: bytes = outcome.status.SerializeToString()
    return status


def _details(error: BaseException) -> tuple[Message, ...]:
    if isinstance(error, InvalidRequest):
        violations = [BadRequest.FieldViolation(field=v.field, description=v.description) for v in error.violations]
        return (BadRequest(field_violations=violations),)
    if isinstance(error, InvalidInput):
        return (BadRequest(field_violations=[{"field": error.field, "description": error.description}]),)
    if isinstance(error, Busy):
        retry = RetryInfo()
        retry.retry_delay.FromMilliseconds(int(error.retry_after_s * 1000))
        return (retry,)
    return ()


class Shield(grpc.aio.ServerInterceptor):
    """Puts every handler of a server behind the shield."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._shielded: dict[str, grpc.RpcMethodHandler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler | None:
        """The handler of a method, shielded; one that says so where there is no such method."""
        method = handler_call_details.method
        if method not in self._shielded:
            handler = await continuation(handler_call_details)
            if handler is None:
                return _unknown(self._calls)
            self._shielded[method] = shielded(handler, method, self._calls)
        return self._shielded[method]


def shielded(handler: grpc.RpcMethodHandler, method: str, calls: Calls) -> grpc.RpcMethodHandler:
    """The handler taking raw bytes and raising nothing but what gRPC's own abort raises.

    Unary responses may be messages or their bytes; streams of responses have to be asynchronous generators.
    """
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(_unary(handler, method, calls))
    if handler.unary_stream:
        wrapped = _stream(handler.unary_stream, _parsed_one(handler.request_deserializer), method, calls)
        return grpc.unary_stream_rpc_method_handler(wrapped, response_serializer=handler.response_serializer)
    if handler.stream_stream:
        wrapped = _stream(handler.stream_stream, _parsed_all(handler.request_deserializer, calls), method, calls)
        return grpc.stream_stream_rpc_method_handler(wrapped, response_serializer=handler.response_serializer)
    raise TypeError(f"{method}: a stream of requests with one response is not shielded; add it here")


Parse = Callable[[bytes], Any]
Context: TypeAlias = grpc.aio.ServicerContext


def _unary(handler: grpc.RpcMethodHandler, method: str, calls: Calls) -> Callable[[bytes, Context], Awaitable[bytes]]:
    respond, parse, serialise = handler.unary_unary, handler.request_deserializer, handler.response_serializer

    async def shielded_unary(raw: bytes, context: Context) -> bytes:
        with calls.answering(method, context) as call:
            try:
                calls.admit(call, context)
                response = await respond(_parsed(raw, parse, call), context)
                sent: bytes = response if isinstance(response, bytes) else serialise(response)
            except (Exception, asyncio.CancelledError) as error:
                outcome = _ended(error, call)
            else:
                return sent
        await context.abort(outcome.code, outcome.text, (*call.trailers, *outcome.trailers))
        raise AssertionError("abort always raises")

    return shielded_unary


def _stream(
    respond: Callable[..., Any], parsed: Callable[[Any, Call, Context], Any], method: str, calls: Calls
) -> Callable[[Any, Context], AsyncIterator[Any]]:
    async def shielded_stream(raw: Any, context: Context) -> AsyncIterator[Any]:
        with calls.answering(method, context) as call:
            try:
                calls.admit(call, context)
                async with aclosing(respond(parsed(raw, call, context), context)) as responses:
                    async for response in responses:
                        yield response
            except (Exception, asyncio.CancelledError) as error:
                outcome = _ended(error, call)
            else:
                return
        await context.abort(outcome.code, outcome.text, (*call.trailers, *outcome.trailers))

    return shielded_stream


def _unknown(calls: Calls) -> grpc.RpcMethodHandler:
    """The handler of every method that the server does not have: such calls are told of as others are."""

    async def refuse(_: Any, context: Context) -> None:
        with calls.answering(UNKNOWN, context) as call:
            try:
                calls.identify(call, context)
                raise NoSuchMethod("this server has no such method")
            except (Exception, asyncio.CancelledError) as error:
                outcome = _ended(error, call)
        await context.abort(outcome.code, outcome.text, call.trailers)

    return grpc.stream_stream_rpc_method_handler(refuse)


def _ended(error: BaseException, call: Call) -> Outcome:
    """How the call ends. Raises `error` again where the call itself was cancelled and no one is left to be told."""
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
        raise error
    outcome = outcome_of(error)
    call.code = outcome.code
    if outcome.code is grpc.StatusCode.INTERNAL:
        log_error("call failed", error, method=call.method)
    return outcome


def _parsed(raw: bytes, parse: Parse, call: Call) -> Any:
    try:
        request = parse(raw)
    except DecodeError:
        raise Malformed(MALFORMED) from None
    call.count(request)
    return request


def _parsed_one(parse: Parse) -> Callable[[bytes, Call, Context], Any]:
    return lambda raw, call, _: _parsed(raw, parse, call)


def _parsed_all(parse: Parse, calls: Calls) -> Callable[[AsyncIterator[bytes], Call, Context], AsyncIterator[Any]]:
    async def messages(raws: AsyncIterator[bytes], call: Call, context: Context) -> AsyncIterator[Any]:
        async for raw in raws:
            calls.admit(call, context)  # again: a token that was revoked meanwhile ends the stream
            yield _parsed(raw, parse, call)

    return messages
