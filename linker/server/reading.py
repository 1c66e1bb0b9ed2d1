"""TerminologyService: reads the bundle, on the thread of look-ups; a fuzzy search is linked by the workers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import grpc

from linker import limits
from linker.errors import NotFound
from linker.hierarchy import Hierarchy, Relatives
from linker.mapping import map_code
from linker.options import Options
from linker.records import Mention, RerankMode
from linker.requests import check_codings, check_concept, check_concepts, read_page_size, read_relatives_page_size
from linker.server.batching import Batcher
from linker.server.bundles import Bundles
from linker.server.cost import token_costs
from linker.server.errors import ResponseTooLarge
from linker.server.lookups import Lookups
from linker.server.paging import read_token, write_token
from linker.server.snapshot import Snapshot
from linker.server.work import LinkMentions
from linker.surface import normalise
from linker.terminology import Terminology
from linker.v1 import terminology_service_pb2 as terminology
from linker.v1 import terminology_service_pb2_grpc
from linker.v1.common_pb2 import Provenance
from linker.v1.linking_service_pb2 import LinkMentionsResponse
from linker.wire import concept_message, concept_response, mapping_message, relative_messages, retired_response

NO_SUCH_CONCEPT = "no such concept in this bundle"
Context: TypeAlias = grpc.aio.ServicerContext


class TerminologyServicer(terminology_service_pb2_grpc.TerminologyServiceServicer):
    """Reads the terminology."""

    def __init__(self, bundles: Bundles, batcher: Batcher, lookups: Lookups, *, timeout_s: float) -> None:
        """timeout_s: of calls that have no deadline."""
        self._bundles = bundles
        self._batcher = batcher
        self._lookups = lookups
        self._timeout_s = timeout_s

    def _timeout(self, context: Context) -> float:
        remaining: float | None = context.time_remaining()
        return self._timeout_s if remaining is None else remaining

    async def GetConcept(  # noqa: N802
        self, request: terminology.GetConceptRequest, context: Context
    ) -> terminology.GetConceptResponse:
        """See the proto."""
        check_concept(request)
        snapshot = self._bundles.get(request.bundle, request.bundle_digest)
        concepts = snapshot.linker.bundle.terminology

        def look_up() -> terminology.GetConceptResponse:
            try:
                return concept_response(concepts, concepts.concept(request.concept_id))
            except NotFound:
                if successors := concepts.replaced_by(request.concept_id):
                    return retired_response(concepts, request.concept_id, successors)
                raise NotFound(f"concept_id: {NO_SUCH_CONCEPT}") from None

        response = await self._lookups.run(look_up, timeout_s=self._timeout(context))
        response.provenance.CopyFrom(snapshot.provenance)
        return response

    async def BatchGetConcepts(  # noqa: N802
        self, request: terminology.BatchGetConceptsRequest, context: Context
    ) -> terminology.BatchGetConceptsResponse:
        """See the proto."""
        check_concepts(request)
        snapshot = self._bundles.get(request.bundle, request.bundle_digest)
        concepts = snapshot.linker.bundle.terminology

        def look_up() -> terminology.BatchGetConceptsResponse:
            rows = [_row(concepts, value, f"concept_ids[{at}]") for at, value in enumerate(request.concept_ids)]
            found = [concept_message(concepts, row) for row in rows]
            return terminology.BatchGetConceptsResponse(concepts=found, provenance=snapshot.provenance)

        return await self._lookups.run(look_up, timeout_s=self._timeout(context))

    async def SearchConcepts(  # noqa: N802
        self, request: terminology.SearchConceptsRequest, context: Context
    ) -> terminology.SearchConceptsResponse:
        """See the proto."""
        size = read_page_size(request)
        snapshot = self._bundles.get(request.bundle, request.bundle_digest)
        if request.mode == terminology.SEARCH_MODE_FUZZY:
            return await self._near(request, size, snapshot, context)
        return await self._lookups.run(lambda: _beginning(request, size, snapshot), timeout_s=self._timeout(context))

    async def _near(
        self, request: terminology.SearchConceptsRequest, size: int, snapshot: Snapshot, context: Context
    ) -> terminology.SearchConceptsResponse:
        """The names nearest to the query, which is linked as a mention would be."""
        where = {"query": f"near {normalise(request.query)}", "bundle_digest": snapshot.digest}
        begin = read_token(request.page_token, **where)[1] if request.page_token else 0
        end = min(begin + size, limits.MAX_FUZZY)
        mention = Mention(request.query)
        options = Options(
            top_k=min(end + 1, limits.MAX_FUZZY), rerank=RerankMode.NEVER, display_language=request.display_language
        )
        costs = token_costs([mention])
        with self._batcher.admitted(sum(costs), timeout_s=self._timeout(context)) as admission:
            job = LinkMentions(snapshot.linker, options)
            [linked] = await self._batcher.run(job, [(mention, "")], costs, admission)
        [result] = LinkMentionsResponse.FromString(linked).results
        found = result.match.candidates or result.no_match.candidates
        return terminology.SearchConceptsResponse(
            concepts=[candidate.concept for candidate in found[begin:end]],
            next_page_token=write_token(("", end), **where) if len(found) > end else "",
            provenance=snapshot.provenance,
        )

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
        size = read_relatives_page_size(request)
        snapshot = self._bundles.get(request.bundle, request.bundle_digest)
        digest = snapshot.digest
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

        return await self._lookups.run(look_up, timeout_s=self._timeout(context))

    async def MapCodes(  # noqa: N802
        self, request: terminology.MapCodesRequest, context: Context
    ) -> terminology.MapCodesResponse:
        """See the proto."""
        check_codings(request)
        snapshot = self._bundles.get(request.bundle, request.bundle_digest)
        concepts = snapshot.linker.bundle.terminology

        def look_up() -> terminology.MapCodesResponse:
            targets = concepts.known_vocabularies(request.targets, field="targets")
            most = limits.MAX_CONCEPTS_OF_CODE
            mappings = [
                mapping_message(concepts, coding, map_code(concepts, coding.system, coding.code), targets, limit=most)
                for coding in request.codings
            ]
            return terminology.MapCodesResponse(mappings=mappings, provenance=snapshot.provenance)

        response = await self._lookups.run(look_up, timeout_s=self._timeout(context))
        if response.ByteSize() > limits.MAX_MESSAGE_BYTES:
            message = f"the response has {response.ByteSize():,} bytes and may have {limits.MAX_MESSAGE_BYTES:,}"
            raise ResponseTooLarge(f"{message}; ask for fewer codings at a time, or fewer targets")
        return response


def _beginning(
    request: terminology.SearchConceptsRequest, size: int, snapshot: Snapshot
) -> terminology.SearchConceptsResponse:
    """The concepts with a name that begins with the query."""
    concepts = snapshot.linker.bundle.terminology
    where = {"query": normalise(request.query), "bundle_digest": snapshot.digest}
    after = read_token(request.page_token, **where) if request.page_token else None
    # One more than the page holds, to know whether there is another page.
    found = concepts.search(request.query, after=after, limit=size + 1)
    page = found[:size]
    return terminology.SearchConceptsResponse(
        concepts=[concept_message(concepts, row, language=request.display_language) for _, row in page],
        next_page_token=write_token(page[-1], **where) if len(found) > size else "",
        provenance=snapshot.provenance,
    )


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
