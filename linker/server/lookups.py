"""Look-ups on a thread of their own, one after the other.

They take microseconds for one concept, but some 50 ms for a thousand: there they hold up neither the event loop nor the
linking workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TypeVar

from linker.server.errors import Busy, Expired

MAX_WAITING = 256
Found = TypeVar("Found")


class Lookups:
    """Runs look-ups. Belongs to one event loop."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="lookup")
        self._waiting = 0

    async def run(self, look_up: Callable[[], Found], *, timeout_s: float | None) -> Found:
        """What `look_up` gives. Raises `Busy` or `Expired` without calling it, or whatever it raises."""
        if self._waiting >= MAX_WAITING:
            raise Busy("too many look-ups are waiting; try again later", retry_after_s=0.5)
        expires = float("inf") if timeout_s is None else monotonic() + timeout_s

        def unless_expired() -> Found:
            if monotonic() >= expires:
                raise Expired("the deadline passed while the call was waiting")
            return look_up()

        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, unless_expired)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Wait for the look-up that runs."""
        self._pool.shutdown(wait=True, cancel_futures=True)
