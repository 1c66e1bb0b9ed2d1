"""The three services: check the request, do the work somewhere else than on the event loop, shape the answer.

Look-ups take microseconds for one concept, but some 50 ms for a thousand; so they run on a thread of their own, where
they hold up neither the event loop nor the linking workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic, perf_counter_ns
from typing import TypeAlias, TypeVar

import grpc

from linker import limits
from linker.errors import InvalidInput, NotFound
from linker.hierarchy import Hierarchy, Relatives
from linker.options import Options
from linker.pipeline import Linker
from linker.records import Mention
from linker.requests import (
    check_codings,
    check_concept_id,
    check_concept_ids,
    check_value_set,
    read_link_request,
    read_page_size,
    read_relatives_page_size,
)
from linker.server.batching import Batcher, Linked
from linker.server.errors import Busy, Expired, ResponseTooLarge, WrongBundle
from linker.server.paging import read_token, write_token
from linker.server.snapshot import Current, Snapshot
from linker.surface import normalise
from linker.terminology import Terminology
from linker.v1 import admin_service_pb2 as admin
from linker.v1 import admin_service_pb2_grpc, linking_service_pb2_grpc, terminology_service_pb2_grpc
from linker.v1 import linking_service_pb2 as linking
from linker.v1 import terminology_service_pb2 as terminology
from linker.v1.common_pb2 import Provenance
from linker.wire import (
    concept_message,
    concept_response,
    mapping_message,
    relative_messages,
    retired_response,
    timing_message,
)

MAX_LOOKUPS_WAITING = 256
NO_SUCH_CONCEPT = "no such concept in this bundle"
Context: TypeAlias = grpc.aio.ServicerContext
Found = TypeVar("Found")


class LinkingServicer(linking_service_pb2_grpc.LinkingServiceServicer):
    """Links mentions."""

    def __init__(self, current: Current, batcher: Batcher, lookups: Lookups) -> None:
        self._current = current
        self._batcher = batcher
        self._lookups = lookups

    async def LinkMentions(self, request: linking.LinkMentionsRequest, context: Context) -> bytes:  # noqa: N802
        """See the proto. Answers with the bytes of a LinkMentionsResponse, most of them made by the workers."""
        arrived_ns = perf_counter_ns()
        snapshot = self._current.get()
        checked = read_link_request(request)
        if checked.bundle_digest and checked.bundle_digest != snapshot.provenance.bundle_digest:
            message = "options.bundle_digest is not the digest of the bundle served here"
            raise WrongBundle(f"{message}, which is {snapshot.provenance.bundle_digest}")
        concepts = snapshot.linker.bundle.terminology
        concepts.known_vocabularies(checked.options.codes, field="options.codes")
        if checked.options.value_set:
            await self._lookups.run(
                lambda: _check_value_set(snapshot.linker, checked.options, request.options.value_set),
                timeout_s=context.time_remaining(),
            )
        linked = await self._batcher.link(
            snapshot.linker, checked.mentions, checked.options, ids=checked.ids, timeout_s=context.time_remaining()
        )
        return _response_bytes(linked, snapshot, arrived_ns)

    async def link(self, snapshot: Snapshot, mentions: Sequence[Mention]) -> linking.LinkMentionsResponse:
        """Link with a snapshot that is not served yet, by the way that calls go."""
        arrived_ns = perf_counter_ns()
        linked = await self._batcher.link(snapshot.linker, mentions, Options(), ids=[""] * len(mentions))
        response = linking.LinkMentionsResponse()
        response.ParseFromString(_response_bytes(linked, snapshot, arrived_ns))
        return response


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


class Lookups:
    """Runs look-ups one after the other on a thread of their own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="lookup")
        self._waiting = 0

    async def run(self, look_up: Callable[[], Found], *, timeout_s: float | None) -> Found:
        """What `look_up` gives. Raises `Busy` or `Expired` without calling it, or whatever it raises."""
        if self._waiting >= MAX_LOOKUPS_WAITING:
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


class TerminologyServicer(terminology_service_pb2_grpc.TerminologyServiceServicer):
    """Reads the terminology."""

    def __init__(self, current: Current, lookups: Lookups) -> None:
        self._current = current
        self._lookups = lookups

    async def GetConcept(  # noqa: N802
        self, request: terminology.GetConceptRequest, context: Context
    ) -> terminology.GetConceptResponse:
        """See the proto."""
        snapshot = self._current.get()
        check_concept_id(request.concept_id)
        concepts = snapshot.linker.bundle.terminology

        def look_up() -> terminology.GetConceptResponse:
            try:
                return concept_response(concepts, concepts.concept(request.concept_id))
            except NotFound:
                if successors := concepts.replaced_by(request.concept_id):
                    return retired_response(concepts, request.concept_id, successors)
                raise NotFound(f"concept_id: {NO_SUCH_CONCEPT}") from None

        response = await self._lookups.run(look_up, timeout_s=context.time_remaining())
        response.provenance.CopyFrom(snapshot.provenance)
        return response

    async def BatchGetConcepts(  # noqa: N802
        self, request: terminology.BatchGetConceptsRequest, context: Context
    ) -> terminology.BatchGetConceptsResponse:
        """See the proto."""
        snapshot = self._current.get()
        check_concept_ids(request.concept_ids)
        concepts = snapshot.linker.bundle.terminology

        def look_up() -> terminology.BatchGetConceptsResponse:
            rows = [_row(concepts, value, f"concept_ids[{at}]") for at, value in enumerate(request.concept_ids)]
            found = [concept_message(concepts, row) for row in rows]
            return terminology.BatchGetConceptsResponse(concepts=found, provenance=snapshot.provenance)

        return await self._lookups.run(look_up, timeout_s=context.time_remaining())

    async def SearchConcepts(  # noqa: N802
        self, request: terminology.SearchConceptsRequest, context: Context
    ) -> terminology.SearchConceptsResponse:
        """See the proto."""
        snapshot = self._current.get()
        size = read_page_size(request)
        digest = snapshot.provenance.bundle_digest
        concepts = snapshot.linker.bundle.terminology
        query = normalise(request.query)
        after = read_token(request.page_token, query=query, bundle_digest=digest) if request.page_token else None

        def look_up() -> terminology.SearchConceptsResponse:
            # One more than the page holds, to know whether there is another page.
            found = concepts.search(request.query, after=after, limit=size + 1)
            page = found[:size]
            more = len(found) > size
            return terminology.SearchConceptsResponse(
                concepts=[concept_message(concepts, concept) for _, concept in page],
                next_page_token=write_token(page[-1], query=query, bundle_digest=digest) if more else "",
                provenance=snapshot.provenance,
            )

        return await self._lookups.run(look_up, timeout_s=context.time_remaining())

    async def ListAncestors(  # noqa: N802
        self, request: terminology.ListAncestorsRequest, context: Context
    ) -> terminology.ListAncestorsResponse:
        """See the proto."""
        page = await self._relatives(request, context, Hierarchy.ancestors)
        return terminology.ListAncestorsResponse(
            ancestors=page.relatives,
            next_page_token=page.next_token,
            total_size=page.total,
            provenance=page.provenance,
        )

    async def ListDescendants(  # noqa: N802
        self, request: terminology.ListDescendantsRequest, context: Context
    ) -> terminology.ListDescendantsResponse:
        """See the proto."""
        page = await self._relatives(request, context, Hierarchy.descendants)
        return terminology.ListDescendantsResponse(
            descendants=page.relatives,
            next_page_token=page.next_token,
            total_size=page.total,
            provenance=page.provenance,
        )

    async def _relatives(
        self,
        request: terminology.ListAncestorsRequest | terminology.ListDescendantsRequest,
        context: Context,
        walk: Callable[..., Relatives],
    ) -> _Page:
        snapshot = self._current.get()
        size = read_relatives_page_size(request)
        digest = snapshot.provenance.bundle_digest
        query = f"{walk.__name__} {request.max_distance} {request.concept_id}"
        begin = read_token(request.page_token, query=query, bundle_digest=digest)[1] if request.page_token else 0
        concepts = snapshot.linker.bundle.terminology

        def look_up() -> _Page:
            row = _row(concepts, request.concept_id, "concept_id")
            found = walk(concepts.hierarchy, row, max_distance=request.max_distance)
            end = begin + size
            token = write_token(("", end), query=query, bundle_digest=digest) if end < len(found) else ""
            messages = relative_messages(concepts, found, slice(begin, end))
            return _Page(messages, token, len(found), snapshot.provenance)

        return await self._lookups.run(look_up, timeout_s=context.time_remaining())

    async def MapCodes(  # noqa: N802
        self, request: terminology.MapCodesRequest, context: Context
    ) -> terminology.MapCodesResponse:
        """See the proto."""
        snapshot = self._current.get()
        check_codings(request)
        concepts = snapshot.linker.bundle.terminology

        def look_up() -> terminology.MapCodesResponse:
            targets = concepts.known_vocabularies(request.targets, field="targets")
            most = limits.MAX_CONCEPTS_OF_CODE
            mappings = [mapping_message(concepts, coding, targets, limit=most) for coding in request.codings]
            return terminology.MapCodesResponse(mappings=mappings, provenance=snapshot.provenance)

        response = await self._lookups.run(look_up, timeout_s=context.time_remaining())
        if response.ByteSize() > limits.MAX_MESSAGE_BYTES:
            message = f"the response has {response.ByteSize():,} bytes and may have {limits.MAX_MESSAGE_BYTES:,}"
            raise ResponseTooLarge(f"{message}; ask for fewer codings at a time, or fewer targets")
        return response


@dataclass(frozen=True, slots=True)
class _Page:
    """A page of the concepts above or below one. total: on all pages together."""

    relatives: list[terminology.Relative]
    next_token: str
    total: int
    provenance: Provenance


def _row(concepts: Terminology, concept_id: str, field: str) -> int:
    try:
        return concepts.row(concept_id)
    except NotFound:
        successors = ", ".join(successor.concept_id for successor in concepts.replaced_by(concept_id))
        hint = f"; it was replaced by {successors}" if successors else ""
        raise NotFound(f"{field}: {NO_SUCH_CONCEPT}{hint}") from None


class AdminServicer(admin_service_pb2_grpc.AdminServiceServicer):
    """Describes the server."""

    def __init__(self, current: Current, batcher: Batcher) -> None:
        self._current = current
        self._limits = admin.Limits(
            max_mentions_per_request=limits.MAX_MENTIONS,
            max_mention_length=limits.MAX_MENTION_LENGTH,
            max_context_length=limits.MAX_CONTEXT_LENGTH,
            max_message_bytes=limits.MAX_MESSAGE_BYTES,
            max_top_k=limits.MAX_TOP_K,
            max_queued_mentions=batcher.max_waiting,
            max_batch_mentions=batcher.max_batch,
        )

    async def GetServerInfo(  # noqa: N802
        self, _request: admin.GetServerInfoRequest, _context: Context
    ) -> admin.GetServerInfoResponse:
        """See the proto."""
        snapshot = self._current.get()
        manifest = snapshot.linker.bundle.manifest
        return admin.GetServerInfoResponse(
            provenance=snapshot.provenance,
            start_time=self._current.since,
            limits=self._limits,
            concept_count=manifest.counts["concepts"],
            name_count=manifest.counts["names"],
            languages=sorted(manifest.languages),
            encoder=manifest.encoder.name,
            reranker=manifest.reranker.name if manifest.reranker else "",
        )
