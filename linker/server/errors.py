"""Errors that only a server has. `shield` holds the one table from errors to gRPC status codes.

LinkerError
└── ServerError
    ├── Malformed         the bytes are not a message of the method's type
    ├── Unauthenticated   the call does not say who makes it, or not truly
    ├── Forbidden         whoever makes the call may not
    ├── NoSuchMethod      the server does not have the method
    ├── WrongBundle       the client pinned another bundle than the one served
    ├── NotFit            a bundle that cannot take the place of the one served
    ├── NotReady          loading or draining
    ├── Busy              too much is waiting already; says when to come back
    ├── ResponseTooLarge  the answer does not fit into a message
    ├── Expired           the deadline passed before the work began
    └── LinkingFailed     a bug; what it was is its `__cause__`, and stays inside
"""

from __future__ import annotations

from linker.errors import LinkerError


class ServerError(LinkerError):
    """Base of the errors below."""


class Malformed(ServerError):
    """The bytes are not a message of the method's type."""


class Unauthenticated(ServerError):
    """The call does not say who makes it, or not truly."""


class Forbidden(ServerError):
    """Whoever makes the call may not make it."""


class NoSuchMethod(ServerError):
    """The server does not have the method."""


class WrongBundle(ServerError):
    """The client pinned another bundle than the one served."""


class NotFit(ServerError):
    """A bundle cannot take the place of the one served, which goes on. The message is for operators."""


class NotReady(ServerError):
    """The server is loading or draining."""


class Busy(ServerError):
    """Too much is waiting already. retry_after_s: when there is likely room."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ResponseTooLarge(ServerError):
    """The answer does not fit into a message."""


class Expired(ServerError):
    """The deadline passed before the work began."""


class LinkingFailed(ServerError):
    """A bug in linking; its `__cause__` says which, to the log alone."""
