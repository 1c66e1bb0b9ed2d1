"""LinkingService: check the request, have it done by the workers, and shape the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from time import perf_counter_ns
from typing import Any, TypeAlias

import grpc

from linker import limits
from linker.errors import InvalidInput
from linker.pipeline import Linker
from linker.records import RerankMode
from linker.requests import AnnotateRequest, LinkRequest, check_value_set, read_annotate_request, read_link_request
from linker.server.annotating import Annotation
from linker.server.batching import Batcher
from linker.server.bundles import Bundles
from linker.server.calls import current_call
from linker.server.cost import annotate_request_cost, link_request_cost, token_costs
from linker.server.errors import ResponseTooLarge
from linker.server.lookups import Lookups
from linker.server.snapshot import Snapshot
from linker.server.streaming import Answer, BatchStream, Choose
from linker.server.waiting import Admission
from linker.server.work import LinkMentions
from linker.v1 import linking_service_pb2 as linking
from linker.v1 import linking_service_pb2_grpc
from linker.v1.common_pb2 import Timing
from linker.wire import timing_message

Context: TypeAlias = grpc.aio.ServicerContext


class LinkingServicer(linking_service_pb2_grpc.LinkingServiceServicer):
    """Links mentions, and finds them in documents."""

    def __init__(
        self, bundles: Bundles, batcher: Batcher, lookups: Lookups, *, in_flight: int, timeout_s: float, tagged: bool
    ) -> None:
        """in_flight: batches of one stream that are worked on at a time. timeout_s: of calls that have no deadline.

        tagged: a trained model reads documents.
        """
        self._bundles = bundles
        self._batcher = batcher
        self._lookups = lookups
        self._in_flight = in_flight
        self._timeout_s = timeout_s
        self._tagged = tagged

    async def LinkMentions(self, request: linking.LinkMentionsRequest, context: Context) -> bytes:  # noqa: N802
        """See the proto. Answers with the bytes of a LinkMentionsResponse, most of them made by the workers."""
        return await self._link(request, context, self._choose)

    def StreamLinkMentions(  # noqa: N802
        self, requests: AsyncIterator[linking.StreamLinkMentionsRequest], context: Context
    ) -> AsyncIterator[Answer]:
        """See the proto."""
        return self._stream(self._link, linking.StreamLinkMentionsResponse, requests, context)

    async def AnnotateDocuments(  # noqa: N802
        self, request: linking.AnnotateDocumentsRequest, context: Context
    ) -> bytes:
        """See the proto. Answers with the bytes of an AnnotateDocumentsResponse."""
        return await self._annotate(request, context, self._choose)

    def StreamAnnotateDocuments(  # noqa: N802
        self, requests: AsyncIterator[linking.StreamAnnotateDocumentsRequest], context: Context
    ) -> AsyncIterator[Answer]:
        """See the proto."""
        return self._stream(self._annotate, linking.StreamAnnotateDocumentsResponse, requests, context)

    def _stream(
        self,
        respond: Callable[[Any, Context, Choose], Awaitable[bytes]],
        answer: type[Answer],
        requests: AsyncIterator[Any],
        context: Context,
    ) -> AsyncIterator[Answer]:
        async def in_context(request: Any, choose: Choose) -> bytes:
            return await respond(request, context, choose)

        return BatchStream(in_context, answer, self._bundles, in_flight=self._in_flight).responses(requests)

    async def _link(self, request: linking.LinkMentionsRequest, context: Context, choose: Choose) -> bytes:
        arrived_ns = perf_counter_ns()
        self._check_room(link_request_cost(request))
        checked = read_link_request(request)
        snapshot = await self._snapshot(checked, request.options, context, choose)
        reranked = snapshot.linker.bundle.reranker is not None and checked.options.rerank is RerankMode.ALWAYS
        costs = token_costs(checked.mentions, reranked=reranked)
        with self._batcher.admitted(sum(costs), timeout_s=self._timeout(context)) as admission:
            job = LinkMentions(snapshot.linker, checked.options)
            items = list(zip(checked.mentions, checked.ids, strict=True))
            results = await self._batcher.run(job, items, costs, admission)
        rest = linking.LinkMentionsResponse(provenance=snapshot.provenance, timing=_timing(admission, arrived_ns))
        # The bytes of a protobuf message's parts, one after the other, are the bytes of the whole.
        return _sized(b"".join((*results, rest.SerializeToString())), "fewer mentions at a time")

    async def _annotate(self, request: linking.AnnotateDocumentsRequest, context: Context, choose: Choose) -> bytes:
        arrived_ns, cost = perf_counter_ns(), annotate_request_cost(request, tagged=self._tagged)
        self._check_room(cost)
        # Four megabytes of text take longer to check than the event loop has.
        checked = await self._lookups.run(lambda: read_annotate_request(request), timeout_s=self._timeout(context))
        snapshot = await self._snapshot(checked, request.options, context, choose)
        with self._batcher.admitted(cost, timeout_s=self._timeout(context)) as admission:
            results = await Annotation(checked, snapshot.annotator, self._batcher, admission).results()
        response = linking.AnnotateDocumentsResponse(
            results=results, provenance=snapshot.provenance, timing=_timing(admission, arrived_ns)
        )
        return _sized(response.SerializeToString(), "fewer or shorter documents at a time")

    def _check_room(self, cost: int) -> None:
        """First of all, since a refusal has to cost less than an answer. Raises `Busy`."""
        if not self._bundles.stopped:  # else another server is to be tried at once, and `choose` says so
            self._batcher.check_room(cost)

    def _choose(self, name: str, digest: str) -> Snapshot:
        return self._bundles.get(name, digest, field="options.bundle")

    async def _snapshot(
        self, checked: LinkRequest | AnnotateRequest, sent: linking.LinkingOptions, context: Context, choose: Choose
    ) -> Snapshot:
        """What to answer from, once it has understood the options."""
        snapshot = choose(checked.bundle, checked.bundle_digest)
        terminology = snapshot.linker.bundle.terminology
        terminology.check_filter(checked.options.filter, path="options.")
        terminology.known_vocabularies(checked.options.codes, field="options.codes")
        if checked.options.value_set:
            await self._lookups.run(
                lambda: _check_value_set(snapshot.linker, checked, sent.value_set), timeout_s=self._timeout(context)
            )
        return snapshot

    def _timeout(self, context: Context) -> float:
        remaining: float | None = context.time_remaining()
        return self._timeout_s if remaining is None else remaining


def _check_value_set(linker: Linker, checked: LinkRequest | AnnotateRequest, sent: Sequence[str]) -> None:
    """Raises `InvalidRequest` with the places of ids that are unknown; else the linker has understood the value set."""
    try:
        linker.check(checked.options)
    except InvalidInput:
        check_value_set(sent, linker.bundle.terminology)
        raise


def _timing(admission: Admission, arrived_ns: int) -> Timing:
    """Tells the call of it, too."""
    if call := current_call():
        call.worked(admission.queue_ns, admission.timings)
    total_ns = perf_counter_ns() - arrived_ns
    return timing_message(admission.timings, queue_ns=admission.queue_ns, total_ns=total_ns)


def _sized(response: bytes, less: str) -> bytes:
    if len(response) > limits.MAX_MESSAGE_BYTES:
        message = f"the response has {len(response):,} bytes and may have {limits.MAX_MESSAGE_BYTES:,}"
        raise ResponseTooLarge(f"{message}; ask for {less}, or a smaller options.top_k")
    return response
