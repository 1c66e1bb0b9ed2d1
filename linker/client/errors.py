"""What a call can fail with, and the one table from gRPC status codes to it.

    LinkerError
    ├── InvalidInput          an argument is not acceptable; `field` is its path in the call made here
    ├── NotFound              the bundle does not have what was asked for
    └── ServiceError          the server, or the way to it; `code` is the gRPC status
        ├── Unavailable       no server could be reached, or none that serves, after retries
        ├── Overloaded        too much was waiting there until the deadline; says when there is likely room
        ├── TooLarge          the answer does not fit into a message
        ├── DeadlineExceeded  no answer in time
        ├── WrongBundle       the server has another bundle than the one pinned
        ├── NotAllowed        no token or certificate, or one that may not do this
        └── ServerFault       a bug there; the server's log says where

The first two are those of `linker.errors`.
"""

from __future__ import annotations

from collections.abc import Iterable

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from linker.errors import InvalidInput, LinkerError, NotFound
from linker.v1.linking_service_pb2 import BatchError

_DETAILS = "grpc-status-details-bin"
# What grpc.aio says where a stream ends while it writes: how the server ended it is lost (grpc/grpc issue 36066).
_WRITE_FAILED = "Internal error from Core"


class ServiceError(LinkerError):
    """A call failed. `code`: its gRPC status, for example "UNAVAILABLE"."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class Unavailable(ServiceError):
    """No server could be reached, or none that serves."""


class Overloaded(ServiceError):
    """Too much was waiting there. retry_after_s: when there is likely room."""

    def __init__(self, message: str, *, code: str, retry_after_s: float) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class TooLarge(ServiceError):
    """The answer does not fit into a message."""


class DeadlineExceeded(ServiceError):
    """No answer came in time."""


class WrongBundle(ServiceError):
    """The server has another bundle than the one pinned."""


class NotAllowed(ServiceError):
    """The server did not accept the token or the certificate, or it may not do this."""


class ServerFault(ServiceError):
    """A bug of the server."""


_KINDS: dict[grpc.StatusCode, type[ServiceError]] = {
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: TooLarge,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.FAILED_PRECONDITION: WrongBundle,
    grpc.StatusCode.UNAUTHENTICATED: NotAllowed,
    grpc.StatusCode.PERMISSION_DENIED: NotAllowed,
}
_CODES = {code.value[0]: code for code in grpc.StatusCode}


def error_of_call(error: grpc.RpcError) -> LinkerError:
    """What a call failed with that gRPC raised `error` for."""
    metadata = dict(error.trailing_metadata() or ())
    try:
        details = Status.FromString(metadata.get(_DETAILS, b"")).details
    except DecodeError:  # of a proxy, then; the code says enough
        details = ()
    code, message = error.code(), error.details() or ""
    if code is grpc.StatusCode.INTERNAL and message == _WRITE_FAILED:
        code, message = grpc.StatusCode.UNAVAILABLE, "the stream was lost while a batch was sent"
    return _error(code, message, details)


def error_of_batch(error: BatchError) -> LinkerError:
    """What a batch of a stream failed with."""
    return _error(_CODES.get(error.code, grpc.StatusCode.UNKNOWN), error.message, error.details)


def _error(code: grpc.StatusCode, message: str, details: Iterable[AnyMessage]) -> LinkerError:
    violations, retry = BadRequest(), RetryInfo()
    for detail in details:
        detail.Unpack(violations)
        detail.Unpack(retry)
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        first, *others = violations.field_violations or [
            BadRequest.FieldViolation(field="request", description=message)
        ]
        more = f" (and {len(others)} more)" if others else ""
        return InvalidInput(f"{first.description}{more}", field=first.field)
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFound(message)
    said = message or f"the call ended as {code.name}"
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and retry.HasField("retry_delay"):
        return Overloaded(said, code=code.name, retry_after_s=retry.retry_delay.ToNanoseconds() / 1e9)
    return _KINDS.get(code, ServerFault)(said, code=code.name)
