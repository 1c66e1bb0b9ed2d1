"""How one core serves two clients: it never waits itself, but yields what it waits for.

The core is generators (`Steps`). Each effect they yield knows how to wait with a thread that blocks and with an event
loop; four small drivers do it. The idea is that of sans-IO protocols (https://sans-io.readthedocs.io).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import grpc

from linker.client.errors import error_of_call

Result = TypeVar("Result")


class Effect(Protocol):
    """Something to wait for; both ways give the same."""

    def block(self) -> Any:
        """Wait with this thread."""

    async def wait(self) -> Any:
        """Wait with the event loop."""


Steps: TypeAlias = Generator["Effect | Give", Any, Result]


@dataclass(frozen=True, slots=True)
class Give:
    """Not to wait for: an item for the caller, who iterates."""

    item: Any


@dataclass(frozen=True, slots=True)
class Response:
    """The response to a unary call."""

    call: Any

    def block(self) -> Any:
        """See `Effect`."""
        return self.call.result()

    async def wait(self) -> Any:
        """See `Effect`."""
        return await self.call


@dataclass(frozen=True, slots=True)
class Message:
    """The next message of a stream, or None at its end."""

    call: Any

    def block(self) -> Any:
        """See `Effect`."""
        return next(self.call, None)

    async def wait(self) -> Any:
        """See `Effect`."""
        message = await self.call.read()
        return None if message is grpc.aio.EOF else message


@dataclass(frozen=True, slots=True)
class Pull:
    """The next item of what the caller passed, which may take its time, or `none` at its end."""

    source: Iterator[Any] | AsyncIterator[Any]
    none: Any

    def block(self) -> Any:
        """See `Effect`."""
        assert isinstance(self.source, Iterator)  # noqa: S101 - a client that blocks takes no other
        return next(self.source, self.none)

    async def wait(self) -> Any:
        """See `Effect`."""
        if isinstance(self.source, AsyncIterator):
            return await anext(self.source, self.none)
        return next(self.source, self.none)


@dataclass(frozen=True, slots=True)
class Pause:
    """Some time."""

    seconds: float

    def block(self) -> None:
        """See `Effect`."""
        time.sleep(self.seconds)

    async def wait(self) -> None:
        """See `Effect`."""
        await asyncio.sleep(self.seconds)


class _Walk(Generic[Result]):
    """Steps under way. effect: the one to wait for now; None at the end, when there is a `result`."""

    def __init__(self, steps: Steps[Result]) -> None:
        self._steps = steps
        self.effect: Effect | Give | None = None
        self.result: Result
        self.go_on(None)

    def go_on(self, answer: Any) -> None:
        try:
            self.effect = self._steps.send(answer)
        except StopIteration as stop:
            self.effect, self.result = None, stop.value

    def fail(self, error: grpc.RpcError) -> None:
        try:
            self.effect = self._steps.throw(error_of_call(error))
        except StopIteration as stop:
            self.effect, self.result = None, stop.value

    def close(self) -> None:
        self._steps.close()


def run(steps: Steps[Result]) -> Result:
    """The result of steps that give no items."""
    walk = _Walk(steps)
    with closing(walk):
        while walk.effect is not None:
            _block(walk, walk.effect)
        return walk.result


async def run_async(steps: Steps[Result]) -> Result:
    """As `run`, with the event loop."""
    walk = _Walk(steps)
    with closing(walk):
        while walk.effect is not None:
            await _wait(walk, walk.effect)
        return walk.result


def iterate(steps: Steps[None]) -> Generator[Any, None, None]:
    """The items that steps give."""
    walk = _Walk(steps)
    with closing(walk):
        while walk.effect is not None:
            if isinstance(walk.effect, Give):
                yield walk.effect.item
                walk.go_on(None)
            else:
                _block(walk, walk.effect)


async def iterate_async(steps: Steps[None]) -> AsyncGenerator[Any, None]:
    """As `iterate`, with the event loop."""
    walk = _Walk(steps)
    with closing(walk):
        while walk.effect is not None:
            if isinstance(walk.effect, Give):
                yield walk.effect.item
                walk.go_on(None)
            else:
                await _wait(walk, walk.effect)


def _block(walk: _Walk[Result], effect: Any) -> None:
    try:
        answer = effect.block()
    except grpc.RpcError as error:
        walk.fail(error)
    else:
        walk.go_on(answer)


async def _wait(walk: _Walk[Result], effect: Any) -> None:
    try:
        answer = await effect.wait()
    except grpc.RpcError as error:
        walk.fail(error)
    else:
        walk.go_on(answer)
