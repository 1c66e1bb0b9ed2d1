"""The client for asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType

from linker.client.answers import AnnotatedBatch, CodeMapping, Concept, LinkedBatch, Provenance
from linker.client.channels import AsyncCalls, async_channel
from linker.client.core import Core
from linker.client.effects import iterate_async, run_async
from linker.client.settings import DEFAULTS, Settings
from linker.notes import AnnotatedNote, Note
from linker.options import DEFAULTS as DEFAULT_OPTIONS
from linker.options import Options
from linker.records import ConceptRecord, Link, Mention


class AsyncLinkerClient:
    """As `LinkerClient`, for one event loop: make it where that runs.

    >>> async with AsyncLinkerClient("127.0.0.1:50051") as client:  # doctest: +SKIP
    ...     links = await client.link(["heart attack"])
    """

    def __init__(self, address: str, *, settings: Settings = DEFAULTS) -> None:
        """See `LinkerClient`."""
        self._channel = async_channel(address, settings)
        self._core = Core(self._channel, AsyncCalls(settings), settings)

    async def link(self, mentions: Iterable[Mention | str], options: Options = DEFAULT_OPTIONS) -> list[Link]:
        """See `LinkerClient.link`."""
        return await run_async(self._core.link(mentions, options))

    def stream(
        self, mentions: Iterable[Mention | str] | AsyncIterable[Mention | str], options: Options = DEFAULT_OPTIONS
    ) -> AsyncIterator[LinkedBatch]:
        """See `LinkerClient.stream`. To stop early, iterate within `contextlib.aclosing`."""
        return iterate_async(self._core.stream(mentions, options))

    async def annotate(self, notes: Iterable[Note | str], options: Options = DEFAULT_OPTIONS) -> list[AnnotatedNote]:
        """See `LinkerClient.annotate`."""
        return await run_async(self._core.annotate(notes, options))

    def annotate_stream(
        self, notes: Iterable[Note | str] | AsyncIterable[Note | str], options: Options = DEFAULT_OPTIONS
    ) -> AsyncIterator[AnnotatedBatch]:
        """See `LinkerClient.annotate_stream`. To stop early, iterate within `contextlib.aclosing`."""
        return iterate_async(self._core.annotate_stream(notes, options))

    async def provenance(self) -> Provenance:
        """See `LinkerClient.provenance`."""
        return await run_async(self._core.provenance())

    async def concept(self, concept_id: str) -> ConceptRecord:
        """See `LinkerClient.concept`."""
        return await run_async(self._core.concept(concept_id))

    async def search(self, query: str, *, limit: int = 20, fuzzy: bool = False) -> list[Concept]:
        """See `LinkerClient.search`."""
        return await run_async(self._core.search(query, limit, fuzzy=fuzzy))

    async def ancestors(self, concept_id: str, *, max_distance: int = 0, limit: int = 1000) -> list[Concept]:
        """See `LinkerClient.ancestors`."""
        return await run_async(self._core.ancestors(concept_id, max_distance, limit))

    async def descendants(self, concept_id: str, *, max_distance: int = 0, limit: int = 1000) -> list[Concept]:
        """See `LinkerClient.descendants`."""
        return await run_async(self._core.descendants(concept_id, max_distance, limit))

    async def map_codes(self, codes: Iterable[tuple[str, str]], *, targets: Iterable[str] = ()) -> list[CodeMapping]:
        """See `LinkerClient.map_codes`."""
        return await run_async(self._core.map_codes(codes, targets))

    async def close(self) -> None:
        """See `LinkerClient.close`."""
        await self._channel.close()

    async def __aenter__(self) -> AsyncLinkerClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()
