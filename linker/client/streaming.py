"""Streams of batches as a client: bounded in flight, answers in the order of the items, what was lost sent again.

The server answers batches as they are done. An answer waits here for those before it, so that at most `in_flight`
batches are anywhere between the caller's mentions or notes and the caller's loop. A stream that ends before its
answers, by a go-away or by a lost connection, is followed by another: linking has no side effects, so sending again is
safe.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from linker.client.batches import Batch, Cutter
from linker.client.effects import Give, Message, Pause, Pull, Steps
from linker.client.errors import Overloaded, TooLarge, Unavailable, error_of_batch
from linker.client.methods import Method
from linker.errors import InvalidInput

ATTEMPTS = 6  # streams in a row that end without a single answer
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
_SILENT = "streams end before any batch is answered"
_NOTHING: Any = object()


class Streaming:
    """One run through the caller's mentions or notes, over as many streams as it takes."""

    def __init__(
        self, method: Method, source: Iterator[Any] | AsyncIterator[Any], cutter: Cutter, *, in_flight: int
    ) -> None:
        self._method = method
        self._source = source
        self._cutter = cutter
        self._in_flight = in_flight
        self._unanswered: dict[int, Batch] = {}  # by batch id, in order
        self._answered: dict[int, tuple[Batch, Any]] = {}
        self._taken = self._given = 0
        self._exhausted = False

    def steps(self, open_stream: Callable[[], Any], ask_alone: Callable[[Batch], Steps[Any]]) -> Steps[None]:
        """Gives an answer for each batch, in order. ask_alone: for a batch whose answer is too large at once."""
        failed = 0
        while not self._over:
            done, lost, exchange = self._done, Unavailable(_SILENT, code="UNAVAILABLE"), open_stream()
            try:
                yield from self._converse(exchange, ask_alone)
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

    def _converse(self, exchange: Any, ask_alone: Callable[[Batch], Steps[Any]]) -> Steps[None]:
        """One stream, until it ends or nothing is left to be answered. Raises `Unavailable` where it is lost."""
        for number, batch in self._unanswered.items():
            exchange.send(self._message(number, batch))
        leaving = False
        while True:
            while not leaving and not self._exhausted and self._taken - self._given < self._in_flight:
                yield from self._take(exchange)
            if not self._unanswered:
                return
            message = yield Message(exchange.call)
            if message is None:
                return
            if message.HasField("go_away"):
                leaving = True
            elif message.batch_id in self._unanswered:
                yield from self._receive(message, exchange, ask_alone, leaving=leaving)
                yield from self._give()

    def _take(self, exchange: Any) -> Steps[None]:
        """Send one batch more, if there are items for one."""
        batch = None
        while batch is None and not self._exhausted:
            item = yield Pull(self._source, _NOTHING)
            self._exhausted = item is _NOTHING
            batch = self._cutter.rest() if self._exhausted else self._cutter.add(item)
        if batch is not None:
            self._unanswered[self._taken] = batch
            exchange.send(self._message(self._taken, batch))
            self._taken += 1

    def _receive(
        self,
        message: Any,
        exchange: Any,
        ask_alone: Callable[[Batch], Steps[Any]],
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
                    exchange.send(self._message(number, batch))
                return
            if isinstance(error, InvalidInput):
                raise batch.placed(error)
            if not isinstance(error, TooLarge):
                raise error
            response = yield from ask_alone(batch)
        self._answered[number] = self._unanswered.pop(number), response

    def _give(self) -> Steps[None]:
        while self._given in self._answered:
            batch, response = self._answered.pop(self._given)
            self._given += 1
            yield Give(self._method.answer(response, batch.items))

    def _message(self, number: int, batch: Batch) -> Any:
        return self._method.batch(batch_id=number, request=batch.request)
