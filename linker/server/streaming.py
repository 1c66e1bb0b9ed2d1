"""One stream of batches: read a bounded number, answer each as it is linked, and leave when there is a reason to.

A stream answers from one snapshot of each bundle. It leaves when one that it has used is replaced, or the server stops:
it says so, reads no more, answers what it has read, and ends. Room for another batch is made when an answer has been
sent, not when it is ready: a client that does not read its answers cannot fill the server's memory with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

from linker.server.bundles import Bundles, check_digest
from linker.server.shield import status_of
from linker.server.snapshot import Snapshot
from linker.v1 import linking_service_pb2 as linking

Choose = Callable[[str, str], Snapshot]  # name and digest of a bundle, as the client gave them
Answer: TypeAlias = linking.StreamLinkMentionsResponse | linking.StreamAnnotateDocumentsResponse
_BUNDLE = "options.bundle"


class BatchStream:
    """See the module."""

    def __init__(
        self,
        respond: Callable[[Any, Choose], Awaitable[bytes]],
        answer: type[Answer],
        bundles: Bundles,
        *,
        in_flight: int,
    ) -> None:
        """respond: the bytes of the response to the request in a batch; it is told how to choose a snapshot.

        answer: what holds it on the stream. in_flight: batches read and not answered, at most.
        """
        self._respond = respond
        self._new_answer = answer
        self._bundles = bundles
        self._room = asyncio.Semaphore(in_flight)
        self._used: dict[str, Snapshot] = {}
        self._answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        self._batches: set[asyncio.Task[None]] = set()

    async def responses(self, requests: AsyncIterator[Any]) -> AsyncIterator[Answer]:
        """One for each batch that was read, and go_away where the stream leaves. Raises what reading raises."""
        working = asyncio.create_task(self._work(requests))
        try:
            while (answer := await self._answers.get()) is not None:
                yield answer
                if not answer.HasField("go_away"):
                    self._room.release()
            await working
        finally:
            await _end(working, *self._batches)

    async def _work(self, requests: AsyncIterator[Any]) -> None:
        reading = asyncio.create_task(self._read(requests))
        leaving = asyncio.create_task(self._leave())
        try:
            await asyncio.wait({reading, leaving}, return_when=asyncio.FIRST_COMPLETED)
            await _end(leaving, *() if reading.done() else (reading,))
            await asyncio.gather(*self._batches)
            if not reading.cancelled():
                reading.result()
        finally:
            await _end(reading, leaving)
            self._answers.put_nowait(None)

    async def _read(self, requests: AsyncIterator[Any]) -> None:
        await self._room.acquire()
        async for request in requests:
            batch = asyncio.create_task(self._answer(request))
            self._batches.add(batch)
            batch.add_done_callback(self._batches.discard)
            await self._room.acquire()

    async def _leave(self) -> None:
        while not self._bundles.stopped and all(map(self._bundles.current, self._used.values())):
            await self._bundles.changed()
        stopping = self._bundles.stopped
        reason = linking.GO_AWAY_REASON_STOPPING if stopping else linking.GO_AWAY_REASON_RELOADED
        self._answers.put_nowait(self._new_answer(go_away=linking.GoAway(reason=reason)))

    async def _answer(self, request: Any) -> None:
        answer = self._new_answer(batch_id=request.batch_id)
        try:
            answer.response.ParseFromString(await self._respond(request.request, self._choose))
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            answer.error.ParseFromString(status_of(error, "batch failed"))
        self._answers.put_nowait(answer)

    def _choose(self, name: str, digest: str) -> Snapshot:
        if name not in self._used:
            self._used[name] = self._bundles.get(name, field=_BUNDLE)
        check_digest(self._used[name], digest, field=_BUNDLE)
        return self._used[name]


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel the tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
