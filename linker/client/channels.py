"""Channels to a server, of both kinds, and how calls are begun on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from queue import SimpleQueue
from typing import Any

import grpc

from linker.client.settings import Settings


def blocking_channel(address: str, settings: Settings) -> grpc.Channel:
    """A channel for threads. Raises `InvalidInput`."""
    settings.check(address)
    if settings.tls is None:
        return grpc.insecure_channel(address, options=settings.channel_options)
    return grpc.secure_channel(address, settings.tls.credentials(), options=settings.channel_options)


def async_channel(address: str, settings: Settings) -> grpc.aio.Channel:
    """A channel for the event loop that runs. Raises `InvalidInput`."""
    settings.check(address)
    if settings.tls is None:
        return grpc.aio.insecure_channel(address, options=settings.channel_options)
    return grpc.aio.secure_channel(address, settings.tls.credentials(), options=settings.channel_options)


class BlockingExchange:
    """See `core.Exchange`."""

    def __init__(self, method: Callable[..., Any], settings: Settings) -> None:
        self._outbox: SimpleQueue[Any] = SimpleQueue()
        self.call = method(iter(self._outbox.get, None), metadata=settings.metadata)

    def send(self, message: Any) -> None:
        """See `core.Exchange`."""
        self._outbox.put(message)

    def close(self) -> None:
        """See `core.Exchange`."""
        self._outbox.put(None)  # gRPC reads the outbox with a thread of its own, which then ends
        self.call.cancel()


class AsyncExchange:
    """See `core.Exchange`."""

    def __init__(self, method: Callable[..., Any], settings: Settings) -> None:
        self._outbox: asyncio.Queue[Any] = asyncio.Queue()
        self.call = method(self._messages(), metadata=settings.metadata)

    async def _messages(self) -> AsyncIterator[Any]:
        while (message := await self._outbox.get()) is not None:
            yield message

    def send(self, message: Any) -> None:
        """See `core.Exchange`."""
        self._outbox.put_nowait(message)

    def close(self) -> None:
        """See `core.Exchange`."""
        self._outbox.put_nowait(None)
        self.call.cancel()


class BlockingCalls:
    """See `core.Calls`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def start(self, method: Callable[..., Any], request: Any, *, timeout_s: float) -> Any:
        """See `core.Calls`."""
        return method.future(request, timeout=timeout_s, metadata=self._settings.metadata)  # type: ignore[attr-defined]

    def open(self, method: Callable[..., Any]) -> BlockingExchange:
        """See `core.Calls`."""
        return BlockingExchange(method, self._settings)


class AsyncCalls:
    """See `core.Calls`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def start(self, method: Callable[..., Any], request: Any, *, timeout_s: float) -> Any:
        """See `core.Calls`."""
        return method(request, timeout=timeout_s, metadata=self._settings.metadata)

    def open(self, method: Callable[..., Any]) -> AsyncExchange:
        """See `core.Calls`."""
        return AsyncExchange(method, self._settings)
