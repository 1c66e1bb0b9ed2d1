"""What a client does, once for both kinds of client: which requests it sends, when again, and what it makes of answers.

Nothing here waits; see `effects`.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from time import monotonic
from typing import Any, Protocol, TypeVar

import grpc

from linker import limits
from linker.client import answers
from linker.client.batches import Batch, Cutter, encodable
from linker.client.effects import Pause, Response, Steps
from linker.client.errors import Overloaded, ServerFault, TooLarge
from linker.client.methods import Method, annotate_method, link_method
from linker.client.settings import Settings
from linker.client.streaming import Streaming
from linker.errors import InvalidInput
from linker.notes import AnnotatedNote, Note
from linker.options import Options
from linker.records import ConceptRecord, Link, Mention
from linker.v1 import terminology_service_pb2 as terminology
from linker.v1.linking_service_pb2_grpc import LinkingServiceStub
from linker.v1.terminology_service_pb2_grpc import TerminologyServiceStub

Read = TypeVar("Read")


class Exchange(Protocol):
    """A stream in both directions."""

    call: Any

    def send(self, message: Any) -> None:
        """Send a message, some time."""

    def close(self) -> None:
        """Send no more, and end the call where it has not ended."""


class Calls(Protocol):
    """How calls are begun; waiting for them is another matter."""

    def start(self, method: Callable[..., Any], request: Any, *, timeout_s: float) -> Any:
        """Begin a unary call."""

    def open(self, method: Callable[..., Any]) -> Exchange:
        """Begin a stream."""


class Core:
    """The methods of both clients, as steps."""

    def __init__(self, channel: grpc.Channel, calls: Calls, settings: Settings) -> None:
        linking = LinkingServiceStub(channel)
        self._linking, self._annotating = link_method(linking, settings), annotate_method(linking, settings)
        self._terminology = TerminologyServiceStub(channel)
        self._calls = calls
        self._settings = settings

    def link(self, mentions: Iterable[Mention | str], options: Options) -> Steps[list[Link]]:
        """See `LinkerClient.link`."""
        batches = yield from self._answers(self._linking, mentions, options)
        return [link for batch in batches for link in batch.links]

    def annotate(self, notes: Iterable[Note | str], options: Options) -> Steps[list[AnnotatedNote]]:
        """See `LinkerClient.annotate`."""
        batches = yield from self._answers(self._annotating, notes, options)
        annotated = []
        for place, note in enumerate(note for batch in batches for note in batch.notes):
            if not isinstance(note, AnnotatedNote):
                raise ServerFault(f"notes[{place}]: {note}", code="INTERNAL")
            annotated.append(note)
        return annotated

    def stream(self, mentions: Iterable[Any] | AsyncIterable[Any], options: Options) -> Steps[None]:
        """See `LinkerClient.stream`."""
        return self._stream(self._linking, mentions, options)

    def annotate_stream(self, notes: Iterable[Any] | AsyncIterable[Any], options: Options) -> Steps[None]:
        """See `LinkerClient.annotate_stream`."""
        return self._stream(self._annotating, notes, options)

    def _answers(self, method: Method, items: Iterable[Any], options: Options) -> Steps[list[Any]]:
        """An answer for each request, in order, a few of them on their way at a time."""
        waiting: deque[tuple[Batch, float, Any]] = deque()
        answers: list[Any] = []
        try:
            for batch in self._batches(method, items, options):
                if len(waiting) == self._settings.in_flight:
                    answers.append((yield from self._next_answer(method, waiting)))
                call = self._start(method, batch, self._settings.timeout_s)
                waiting.append((batch, self._expiry(), call))
            while waiting:
                answers.append((yield from self._next_answer(method, waiting)))
        finally:
            for _, _, call in waiting:
                call.cancel()
        return answers

    def _batches(self, method: Method, items: Iterable[Any], options: Options) -> Iterator[Batch]:
        cutter = self._cutter(method, options)
        for item in items:
            if batch := cutter.add(item):
                yield batch
        if batch := cutter.rest():
            yield batch

    def _cutter(self, method: Method, options: Options) -> Cutter:
        options.check()
        with encodable("options"):
            template = method.template(options)
            template.options.bundle = self._settings.bundle
            template.options.bundle_digest = self._settings.bundle_digest
        return Cutter(method.kind, template, size=method.size)

    def _next_answer(self, method: Method, waiting: deque[tuple[Batch, float, Any]]) -> Steps[Any]:
        batch, expires, call = waiting.popleft()
        response = yield from self._response(method, batch, expires, call)
        return method.answer(response, batch.items)

    def _response(self, method: Method, batch: Batch, expires: float, call: Any) -> Steps[Any]:
        """The response to a batch; in halves, where the answer to all of it is too large."""
        try:
            response = yield from self._answer(method.call, batch.request, expires, call)
        except InvalidInput as error:
            raise batch.placed(error) from None
        except TooLarge:
            if len(batch.items) == 1:
                raise
            one, other = batch.halves()
            response = yield from self._response(method, one, expires, self._start(method, one, _left(expires)))
            other = other.pinned(response.provenance.bundle_digest)  # one answer is never of two bundles
            rest = yield from self._response(method, other, expires, self._start(method, other, _left(expires)))
            response.results.extend(rest.results)
        return response

    def _start(self, method: Method, batch: Batch, timeout_s: float) -> Any:
        return self._calls.start(method.call, batch.request, timeout_s=timeout_s)

    def _expiry(self) -> float:
        return monotonic() + self._settings.timeout_s

    def _answer(self, method: Callable[..., Any], request: Any, expires: float, call: Any) -> Steps[Any]:
        """The response to a call that has begun, which begins again when an overloaded server says that it may."""
        while True:
            try:
                return (yield Response(call))
            except Overloaded as error:
                # Some later than it says: whoever was turned away together shall not come back together.
                pause = error.retry_after_s * random.uniform(1.0, 1.5)  # noqa: S311 - no secret
                if pause >= _left(expires):
                    raise
                yield Pause(pause)
                call = self._calls.start(method, request, timeout_s=_left(expires))

    def _stream(self, method: Method, items: Iterable[Any] | AsyncIterable[Any], options: Options) -> Steps[None]:
        source: Iterator[Any] | AsyncIterator[Any] = aiter(items) if isinstance(items, AsyncIterable) else iter(items)
        streaming = Streaming(method, source, self._cutter(method, options), in_flight=self._settings.in_flight)

        def ask_alone(batch: Batch) -> Steps[Any]:
            timeout_s = self._settings.timeout_s
            return (yield from self._response(method, batch, self._expiry(), self._start(method, batch, timeout_s)))

        return streaming.steps(lambda: self._calls.open(method.stream), ask_alone)

    def provenance(self) -> Steps[answers.Provenance]:
        """See `LinkerClient.provenance`."""
        request = terminology.SearchConceptsRequest(query="a", page_size=1)  # every answer says it
        response = yield from self._call(self._terminology.SearchConcepts, request)
        return answers.provenance(response.provenance)

    def concept(self, concept_id: str) -> Steps[ConceptRecord]:
        """See `LinkerClient.concept`."""
        with encodable("concept_id"):
            request = terminology.GetConceptRequest(concept_id=concept_id)
        response = yield from self._call(self._terminology.GetConcept, request)
        return answers.concept_record(response)

    def search(self, query: str, limit: int, *, fuzzy: bool) -> Steps[list[answers.Concept]]:
        """See `LinkerClient.search`."""
        mode = terminology.SEARCH_MODE_FUZZY if fuzzy else terminology.SEARCH_MODE_PREFIX
        with encodable("query"):
            request = terminology.SearchConceptsRequest(query=query, mode=mode)
        return (
            yield from self._pages(
                self._terminology.SearchConcepts, request, lambda page: map(answers.concept, page.concepts), limit
            )
        )

    def ancestors(self, concept_id: str, max_distance: int, limit: int) -> Steps[list[answers.Concept]]:
        """See `LinkerClient.ancestors`."""
        with encodable("concept_id"):
            request = terminology.ListAncestorsRequest(concept_id=concept_id, max_distance=max_distance)
        return (
            yield from self._pages(
                self._terminology.ListAncestors, request, lambda page: map(answers.relative, page.ancestors), limit
            )
        )

    def descendants(self, concept_id: str, max_distance: int, limit: int) -> Steps[list[answers.Concept]]:
        """See `LinkerClient.descendants`."""
        with encodable("concept_id"):
            request = terminology.ListDescendantsRequest(concept_id=concept_id, max_distance=max_distance)
        return (
            yield from self._pages(
                self._terminology.ListDescendants, request, lambda page: map(answers.relative, page.descendants), limit
            )
        )

    def map_codes(self, codes: Iterable[tuple[str, str]], targets: Iterable[str]) -> Steps[list[answers.CodeMapping]]:
        """See `LinkerClient.map_codes`."""
        mappings: list[answers.CodeMapping] = []
        with encodable("codes"):
            codings = [terminology.Coding(system=system, code=code) for system, code in codes]
            wanted = list(targets)
        for first in range(0, len(codings), limits.MAX_CODINGS):
            request = terminology.MapCodesRequest(codings=codings[first : first + limits.MAX_CODINGS], targets=wanted)
            response = yield from self._call(self._terminology.MapCodes, request)
            mappings += map(answers.code_mapping, response.mappings)
        return mappings

    def _call(self, method: Callable[..., Any], request: Any) -> Steps[Any]:
        request.bundle, request.bundle_digest = self._settings.bundle, self._settings.bundle_digest
        call = self._calls.start(method, request, timeout_s=self._settings.timeout_s)
        return (yield from self._answer(method, request, self._expiry(), call))

    def _pages(
        self, method: Callable[..., Any], request: Any, read: Callable[[Any], Iterable[Read]], limit: int
    ) -> Steps[list[Read]]:
        """At most `limit` items of a list that comes in pages."""
        if limit < 1:
            raise InvalidInput(f"expected 1 or more, got {limit}", field="limit")
        items: list[Read] = []
        while True:
            request.page_size = limit - len(items)
            page = yield from self._call(method, request)
            items += read(page)
            request.page_token = page.next_page_token
            if len(items) >= limit or not request.page_token:
                return items[:limit]


def _left(expires: float) -> float:
    """Seconds until then; never none, since gRPC has no such timeout."""
    return max(expires - monotonic(), 0.001)
