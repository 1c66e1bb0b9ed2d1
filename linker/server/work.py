"""What a worker does with a batch: jobs, and how one is done for several calls so that only those fail that must.

Nothing here touches the event loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter_ns
from typing import Any, Protocol

from linker.annotation import Annotator, FoundMention, Part
from linker.documents import annotated_mention_message
from linker.offsets import Offsets, OffsetUnit
from linker.options import Options
from linker.pipeline import NO_TIME, Linker, Timings
from linker.records import Link, Mention
from linker.server.errors import LinkingFailed
from linker.v1.linking_service_pb2 import LinkMentionsResponse
from linker.wire import result_message


@dataclass(frozen=True, slots=True)
class Done:
    """What became of the items of a job. results: one for each. reranked: mentions that the cross-encoder scored."""

    results: Sequence[Any]
    timings: Timings
    reranked: int = 0


class Job(Protocol):
    """What is done with items. Calls whose jobs are equal share batches."""

    @property
    def links(self) -> bool:
        """Whether its items are mentions to link."""

    def do(self, items: Sequence[Any]) -> Done:
        """Do it. A result does not depend on the other items."""


@dataclass(frozen=True, slots=True)
class LinkMentions:
    """Links mentions; an item is a mention and its id, its result the bytes of a LinkMentionsResponse with it alone."""

    linker: Linker
    options: Options
    links = True

    def do(self, items: Sequence[tuple[Mention, str]]) -> Done:
        """See `Job`."""
        links, timings = self.linker.link_timed([mention for mention, _ in items], self.options)
        results = [
            LinkMentionsResponse(results=[result_message(link, mention_id)]).SerializeToString()
            for link, (_, mention_id) in zip(links, items, strict=True)
        ]
        return Done(results, timings, _reranked(links))


class Text:
    """A document's text. unit: of places in its answer."""

    def __init__(self, text: str, unit: OffsetUnit) -> None:
        self._text, self._unit = text, unit

    @cached_property
    def offsets(self) -> Offsets:
        """Where its code points are in that unit."""
        return Offsets(self._text, self._unit)


@dataclass(frozen=True, slots=True)
class FindMentions:
    """Finds the mentions of parts of documents; an item's result is a list of them."""

    annotator: Annotator
    options: Options
    links = False

    def do(self, items: Sequence[Part]) -> Done:
        """See `Job`."""
        began = perf_counter_ns()
        found = self.annotator.find(items, self.options)
        return Done(found, Timings(detect_ns=perf_counter_ns() - began))


@dataclass(frozen=True, slots=True)
class LinkFound:
    """Links what was found; an item is a mention and the text that it is of.

    Its result is an AnnotatedMention message, None for a mention that is not shown.
    """

    annotator: Annotator
    options: Options
    links = True

    def do(self, items: Sequence[tuple[FoundMention, Text]]) -> Done:
        """See `Job`."""
        annotated, timings = self.annotator.link([mention for mention, _ in items], self.options)
        texts = [text for _, text in items]
        results = [
            annotated_mention_message(m, t.offsets) if m else None for m, t in zip(annotated, texts, strict=True)
        ]
        return Done(results, timings, _reranked([mention.link for mention in annotated if mention]))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch. results: of each share, one for each of its items, or what it failed with."""

    results: Sequence[Sequence[Any] | LinkingFailed]
    timings: Timings = NO_TIME
    reranked: int = 0


def work(job: Job, shares: Sequence[Sequence[Any]]) -> Outcome:
    """Do a job for several calls, each with its items. Where a batch fails, its shares are tried one by one."""
    try:
        done = job.do([item for share in shares for item in share])
        results = iter(done.results)
        return Outcome([[next(results) for _ in share] for share in shares], done.timings, done.reranked)
    except BaseException as error:
        # A worker must not die, nor a CancelledError reach the event loop.
        if len(shares) > 1:
            alone = [work(job, [share]) for share in shares]
            timings = sum((outcome.timings for outcome in alone), NO_TIME)
            return Outcome([o.results[0] for o in alone], timings, sum(o.reranked for o in alone))
        failed = LinkingFailed("linking failed")
        failed.__cause__ = error
        return Outcome([failed])


def _reranked(links: Sequence[Link]) -> int:
    return sum(any(c.rerank_score is not None for c in link.candidates) for link in links)
