"""The calls that are being answered, so that a server that stops can wait for them, and for no others."""

from __future__ import annotations

import asyncio

from linker.server.calls import Call


class InProgress:
    """Is told of calls (see `CallObserver`). Health checks do not count: a watch would never end by itself."""

    def __init__(self) -> None:
        self._calls: set[Call] = set()
        self._ended = asyncio.Event()

    def call_began(self, call: Call) -> None:
        """Count it."""
        if not call.is_probe:
            self._calls.add(call)

    def call_ended(self, call: Call) -> None:
        """It is over."""
        self._calls.discard(call)
        self._ended.set()

    async def drained(self, timeout_s: float) -> bool:
        """Wait until the calls in progress now have ended; whether they have, `timeout_s` later at the latest.

        Calls that begin meanwhile are refused, and are not waited for: under load there is always one more.
        """
        begun = set(self._calls)
        try:
            async with asyncio.timeout(timeout_s):
                while begun & self._calls:
                    self._ended.clear()
                    await self._ended.wait()
        except TimeoutError:
            return False
        return True
