"""StreamLinkMentions as a client: bounded in flight, answers in the order of the mentions, what was lost sent again.

The server answers batches as they are done. An answer waits here for those before it, so that at most `in_flight`
batches are anywhere between the caller's mentions and the caller's loop. A stream that ends before its answers, by a
go-away or by a lost connection, is followed by another: linking has no side effects, so sending again is safe.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from linker.client.answers import linked_batch
from linker.client.batches import Batch, Cutter
from linker.client.effects import Give, Message, Pause, Pull, Steps
from linker.client.errors import Overloaded, TooLarge, Unavailable, error_of_batch
from linker.errors import InvalidInput
from linker.v1.linking_service_pb2 import LinkMentionsResponse, StreamLinkMentionsRequest, StreamLinkMentionsResponse

ATTEMPTS = 6  # streams in a row that end without a single answer
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
_SILENT = "streams end before any batch is answered"
_NOTHING: Any = object()


class Streaming:
    """One run through the caller's mentions, over as many streams as it takes."""

    def __init__(self, source: Iterator[Any] | AsyncIterator[Any], cutter: Cutter, *, in_flight: int) -> None:
        self._source = source
        self._cutter = cutter
        self._in_flight = in_flight
        self._unanswered: dict[int, Batch] = {}  # by batch id, in order
        self._answered: dict[int, tuple[Batch, LinkMentionsResponse]] = {}
        self._taken = self._given = 0
        self._exhausted = False

    def steps(
        self, open_stream: Callable[[], Any], link_alone: Callable[[Batch], Steps[LinkMentionsResponse]]
    ) -> Steps[None]:
        """Gives a `LinkedBatch` for each batch, in order. link_alone: for a batch whose answer is too large at once."""
        failed = 0
        while not self._over:
            done, lost, exchange = self._done, Unavailable(_SILENT, code="UNAVAILABLE"), open_stream()
            try:
                yield from self._converse(exchange, link_alone)
            except Unavailable as error:
                lost = error
            finally:
                exchange.close()
            failed = 0 if self._done > done or self._over else failed + 1
            if failed == ATTEMPTS:
                raise lost
            if failed:
                pause = min(FIRST_PAUSE_S * 2**failed, LONGEST_PAUSE_S)
                yield Pause(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    @property
    def _over(self) -> bool:
        return self._exhausted and not self._unanswered

    @property
    def _done(self) -> int:
        return self._taken - len(self._unanswered)

    def _converse(self, exchange: Any, link_alone: Callable[[Batch], Steps[LinkMentionsResponse]]) -> Steps[None]:
        """One stream, until it ends or nothing is left to be answered. Raises `Unavailable` where it is lost."""
        for number, batch in self._unanswered.items():
            exchange.send(_message(number, batch))
        leaving = False
        while True:
            while not leaving and not self._exhausted and self._taken - self._given < self._in_flight:
                yield from self._take(exchange)
            if not self._unanswered:
                return
            message: StreamLinkMentionsResponse | None = yield Message(exchange.call)
            if message is None:
                return
            if message.HasField("go_away"):
                leaving = True
            elif message.batch_id in self._unanswered:
                yield from self._receive(message, exchange, link_alone, leaving=leaving)
                yield from self._give()

    def _take(self, exchange: Any) -> Steps[None]:
        """Send one batch more, if there are mentions for one."""
        batch = None
        while batch is None and not self._exhausted:
            mention = yield Pull(self._source, _NOTHING)
            self._exhausted = mention is _NOTHING
            batch = self._cutter.rest() if self._exhausted else self._cutter.add(mention)
        if batch is not None:
            self._unanswered[self._taken] = batch
            exchange.send(_message(self._taken, batch))
            self._taken += 1

    def _receive(
        self,
        message: StreamLinkMentionsResponse,
        exchange: Any,
        link_alone: Callable[[Batch], Steps[LinkMentionsResponse]],
        *,
        leaving: bool,
    ) -> Steps[None]:
        number = message.batch_id
        batch, response = self._unanswered[number], message.response
        if message.HasField("error"):
            error = error_of_batch(message.error)
            if isinstance(error, Overloaded):
                yield Pause(error.retry_after_s * random.uniform(1.0, 1.5))  # noqa: S311 - no secret
                if not leaving:
                    exchange.send(_message(number, batch))
                return
            if isinstance(error, InvalidInput):
                raise batch.placed(error)
            if not isinstance(error, TooLarge):
                raise error
            response = yield from link_alone(batch)
        self._answered[number] = self._unanswered.pop(number), response

    def _give(self) -> Steps[None]:
        while self._given in self._answered:
            batch, response = self._answered.pop(self._given)
            self._given += 1
            yield Give(linked_batch(response, batch.mentions))


def _message(number: int, batch: Batch) -> StreamLinkMentionsRequest:
    return StreamLinkMentionsRequest(batch_id=number, request=batch.request)
