"""LinkingService: check the request, have it linked by the workers, and shape the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from time import perf_counter_ns
from typing import TypeAlias

import grpc

from linker import limits
from linker.errors import InvalidInput
from linker.options import Options
from linker.pipeline import Linker
from linker.records import RerankMode
from linker.requests import check_value_set, read_link_request
from linker.server.batching import Batcher
from linker.server.bundles import Bundles
from linker.server.calls import current_call
from linker.server.cost import request_cost, token_costs
from linker.server.errors import ResponseTooLarge
from linker.server.lookups import Lookups
from linker.server.snapshot import Snapshot
from linker.server.streaming import LinkStream
from linker.server.waiting import Linked
from linker.v1 import linking_service_pb2 as linking
from linker.v1 import linking_service_pb2_grpc
from linker.wire import timing_message

Context: TypeAlias = grpc.aio.ServicerContext
Choose = Callable[[str, str], Snapshot]  # name and digest of a bundle, as the client gave them


class LinkingServicer(linking_service_pb2_grpc.LinkingServiceServicer):
    """Links mentions."""

    def __init__(
        self, bundles: Bundles, batcher: Batcher, lookups: Lookups, *, in_flight: int, timeout_s: float
    ) -> None:
        """in_flight: batches of one stream that are worked on at a time. timeout_s: of calls that have no deadline."""
        self._bundles = bundles
        self._batcher = batcher
        self._lookups = lookups
        self._in_flight = in_flight
        self._timeout_s = timeout_s

    async def LinkMentions(self, request: linking.LinkMentionsRequest, context: Context) -> bytes:  # noqa: N802
        """See the proto. Answers with the bytes of a LinkMentionsResponse, most of them made by the workers."""
        return await self._link(request, context, self._choose)

    def StreamLinkMentions(  # noqa: N802
        self, requests: AsyncIterator[linking.StreamLinkMentionsRequest], context: Context
    ) -> AsyncIterator[linking.StreamLinkMentionsResponse]:
        """See the proto."""

        async def link(request: linking.LinkMentionsRequest, choose: Choose) -> bytes:
            return await self._link(request, context, choose)

        return LinkStream(link, self._bundles, in_flight=self._in_flight).responses(requests)

    def _choose(self, name: str, digest: str) -> Snapshot:
        return self._bundles.get(name, digest, field="options.bundle")

    async def _link(self, request: linking.LinkMentionsRequest, context: Context, choose: Choose) -> bytes:
        arrived_ns = perf_counter_ns()
        if not self._bundles.stopped:  # else another server is to be tried at once, and `choose` says so
            self._batcher.check_room(request_cost(request))  # first of all: a refusal has to cost less than an answer
        checked = read_link_request(request)
        snapshot = choose(checked.bundle, checked.bundle_digest)
        remaining = context.time_remaining()
        timeout_s = self._timeout_s if remaining is None else remaining
        bundle = snapshot.linker.bundle
        bundle.terminology.known_vocabularies(checked.options.codes, field="options.codes")
        if checked.options.value_set:
            await self._lookups.run(
                lambda: _check_value_set(snapshot.linker, checked.options, request.options.value_set),
                timeout_s=timeout_s,
            )
        reranked = bundle.reranker is not None and checked.options.rerank is RerankMode.ALWAYS
        linked = await self._batcher.link(
            snapshot.linker,
            checked.mentions,
            checked.options,
            ids=checked.ids,
            tokens=token_costs(checked.mentions, reranked=reranked),
            timeout_s=timeout_s,
        )
        if call := current_call():
            call.worked(linked.queue_ns, linked.timings)
        return _response_bytes(linked, snapshot, arrived_ns)


def _check_value_set(linker: Linker, options: Options, value_set: Sequence[str]) -> None:
    """Raises `InvalidRequest` with the places of ids that are unknown; else the linker has understood the value set."""
    try:
        linker.check(options)
    except InvalidInput:
        check_value_set(value_set, linker.bundle.terminology)
        raise


def _response_bytes(linked: Linked, snapshot: Snapshot, arrived_ns: int) -> bytes:
    timing = timing_message(linked.timings, queue_ns=linked.queue_ns, total_ns=perf_counter_ns() - arrived_ns)
    rest = linking.LinkMentionsResponse(provenance=snapshot.provenance, timing=timing)
    response: bytes = linked.results + rest.SerializeToString()
    if len(response) > limits.MAX_MESSAGE_BYTES:
        message = f"the response has {len(response):,} bytes and may have {limits.MAX_MESSAGE_BYTES:,}"
        raise ResponseTooLarge(f"{message}; ask for fewer mentions at a time, or a smaller options.top_k")
    return response
