"""The client for threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType

from linker.client.answers import AnnotatedBatch, CodeMapping, Concept, LinkedBatch, Provenance
from linker.client.channels import BlockingCalls, blocking_channel
from linker.client.core import Core
from linker.client.effects import iterate, run
from linker.client.settings import DEFAULTS, Settings
from linker.notes import AnnotatedNote, Note
from linker.options import DEFAULTS as DEFAULT_OPTIONS
from linker.options import Options
from linker.records import ConceptRecord, Link, Mention


class LinkerClient:
    """Links mentions and annotates notes with a server, from any number of threads.

    Its errors are those of `linker.client.errors`.

    >>> with LinkerClient("127.0.0.1:50051") as client:  # doctest: +SKIP
    ...     client.link(["heart attack"])[0].concept.concept_id
    'SNOMEDCT:22298006'
    """

    def __init__(self, address: str, *, settings: Settings = DEFAULTS) -> None:
        """address: `host:port`, or any gRPC target. `dns:///name:port` spreads calls over all addresses of a name.

        Connects with the first call. Raises `InvalidInput`.
        """
        self._channel = blocking_channel(address, settings)
        self._core = Core(self._channel, BlockingCalls(settings), settings)

    def link(self, mentions: Iterable[Mention | str], options: Options = DEFAULT_OPTIONS) -> list[Link]:
        """One link for each mention, in order; any number of them. As `Linker.link`, where rows of concepts are -1.

        Sends a few requests at a time, of `Settings.batch_size` mentions. Each is sent again where that is of use: to
        another server where one is gone, later where it is overloaded, in halves where an answer is too large.
        """
        return run(self._core.link(mentions, options))

    def stream(self, mentions: Iterable[Mention | str], options: Options = DEFAULT_OPTIONS) -> Iterator[LinkedBatch]:
        """The links of more mentions than memory holds, in order, batch by batch, over one gRPC stream.

        Takes from `mentions` only as the batches given are taken. There is no deadline: stop iterating to end it. A
        server that stops or reloads sends the rest elsewhere; `provenance` of each batch says what it comes from.
        """
        return iterate(self._core.stream(mentions, options))

    def annotate(self, notes: Iterable[Note | str], options: Options = DEFAULT_OPTIONS) -> list[AnnotatedNote]:
        """Each note with its mentions, in order; any number of them. As `Annotator.annotate`, but for rows of concepts.

        Sends a few requests at a time, of `Settings.batch_characters` characters, each as `link` does. A `Note` may
        have spans, which are then linked in place of what would be found. Raises `ServerFault` where the server fails
        with a note, which is a bug.
        """
        return run(self._core.annotate(notes, options))

    def annotate_stream(
        self, notes: Iterable[Note | str], options: Options = DEFAULT_OPTIONS
    ) -> Iterator[AnnotatedBatch]:
        """The notes of a long job with their mentions, as `stream` does it; a fault in place of one that failed."""
        return iterate(self._core.annotate_stream(notes, options))

    def provenance(self) -> Provenance:
        """What the server answers from now."""
        return run(self._core.provenance())

    def concept(self, concept_id: str) -> ConceptRecord:
        """All about one concept. Raises `NotFound`. One that was replaced has `replaced_by`."""
        return run(self._core.concept(concept_id))

    def search(self, query: str, *, limit: int = 20, fuzzy: bool = False) -> list[Concept]:
        """Concepts with a name that begins with `query`, by name; or, if `fuzzy`, with names near it, nearest first."""
        return run(self._core.search(query, limit, fuzzy=fuzzy))

    def ancestors(self, concept_id: str, *, max_distance: int = 0, limit: int = 1000) -> list[Concept]:
        """Concepts above one, nearest first. max_distance: steps up at most; 0: all the way. Raises `NotFound`."""
        return run(self._core.ancestors(concept_id, max_distance, limit))

    def descendants(self, concept_id: str, *, max_distance: int = 0, limit: int = 1000) -> list[Concept]:
        """Concepts below one, nearest first. max_distance: steps down at most; 0: all the way. Raises `NotFound`."""
        return run(self._core.descendants(concept_id, max_distance, limit))

    def map_codes(self, codes: Iterable[tuple[str, str]], *, targets: Iterable[str] = ()) -> list[CodeMapping]:
        """What codes, as (vocabulary, code), stand for: one mapping each, in order; a code not known is no error.

        targets: vocabularies of the codes wanted; none takes all.
        """
        return run(self._core.map_codes(codes, targets))

    def close(self) -> None:
        """End the connections. Calls that have begun fail."""
        self._channel.close()

    def __enter__(self) -> LinkerClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
