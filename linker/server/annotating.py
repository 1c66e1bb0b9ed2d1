"""AnnotateDocuments: documents are read in parts and what is found in them is linked, both by the workers.

The call is let in once, for what its documents are expected to cost. Each document goes its own way, so that one that
fails, which is a bug, fails alone; their parts and mentions meet in the workers' batches.
"""

from __future__ import annotations

import asyncio

from linker import limits
from linker.annotation import Annotator
from linker.detection.choice import Detect
from linker.notes import Note
from linker.records import RerankMode
from linker.requests import AnnotateRequest, Document
from linker.server.batching import Batcher
from linker.server.cost import found_costs, part_cost
from linker.server.errors import LinkingFailed, ResponseTooLarge
from linker.server.shield import status_of
from linker.server.waiting import Admission
from linker.server.work import FindMentions, LinkFound, Text
from linker.v1 import linking_service_pb2 as linking


class Annotation:
    """One call. Belongs to its event loop."""

    def __init__(self, request: AnnotateRequest, annotator: Annotator, batcher: Batcher, admission: Admission) -> None:
        self._request = request
        self._annotator = annotator
        self._batcher = batcher
        self._admission = admission
        self._find = FindMentions(annotator, request.options)
        self._link = LinkFound(annotator, request.options)
        reranker = annotator.linker.bundle.reranker
        self._found = 0
        self._reranked = reranker is not None and request.options.rerank is RerankMode.ALWAYS

    async def results(self) -> list[linking.DocumentResult]:
        """One for each document, in order. Raises `Expired`, `NotReady` or `ResponseTooLarge`."""
        documents = [asyncio.create_task(self._result(document)) for document in self._request.documents]
        try:
            return await asyncio.gather(*documents)
        finally:
            for document in documents:
                document.cancel()

    async def _result(self, document: Document) -> linking.DocumentResult:
        result = linking.DocumentResult(document_id=document.document_id)
        try:
            result.annotation.CopyFrom(await self._annotation(document.note))
        except LinkingFailed as error:
            result.error.ParseFromString(status_of(error, "document failed"))
        return result

    async def _annotation(self, note: Note) -> linking.Annotation:
        parts = self._annotator.parts(note)
        tagged = self._annotator.detect is not Detect.NAMES and note.spans is None
        costs = [part_cost(part.end - part.begin, tagged=tagged) for part in parts]
        of_parts = await self._batcher.run(self._find, parts, costs, self._admission)
        found = [mention for of_part in of_parts for mention in of_part]
        self._found += len(found)
        if self._found > limits.MAX_FOUND:
            message = f"there are more than {limits.MAX_FOUND:,} mentions in these documents"
            raise ResponseTooLarge(f"{message}; send fewer or shorter ones at a time")
        costs = found_costs((mention.reading for mention in found), reranked=self._reranked)
        text = Text(note.text, self._request.unit)
        linked = await self._batcher.run(self._link, [(mention, text) for mention in found], costs, self._admission)
        mentions = [mention for mention in linked if mention is not None]
        whole = parts[0].note
        return linking.Annotation(mentions=mentions, language=whole.language, without_rules=whole.without_rules)
