"""What a worker does with a batch: link it, and write the result of each mention as it goes over the wire.

Nothing here touches the event loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from linker.options import Options
from linker.pipeline import Linker, Timings
from linker.records import Link, Mention
from linker.server.errors import LinkingFailed
from linker.v1.linking_service_pb2 import LinkMentionsResponse
from linker.wire import result_message

NO_TIME = Timings(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Share:
    """The mentions of one call in a batch, and their ids."""

    mentions: Sequence[Mention]
    ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a share. results: of each mention, a serialised LinkMentionsResponse with its result alone.

    reranked: how many of the mentions the cross-encoder scored. timings: of the whole batch.
    """

    results: Sequence[bytes] | LinkingFailed
    reranked: int
    timings: Timings


def link_shares(linker: Linker, options: Options, shares: Sequence[Share]) -> list[Outcome]:
    """One outcome for each share. Where a batch fails, its shares are tried one by one, so that only one call fails."""
    try:
        links, timings = linker.link_timed([mention for share in shares for mention in share.mentions], options)
        return list(_outcomes(shares, links, timings))
    except BaseException as error:
        # A worker must not die, nor a CancelledError reach the event loop.
        if len(shares) > 1:
            return [link_shares(linker, options, [share])[0] for share in shares]
        failed = LinkingFailed("linking failed")
        failed.__cause__ = error
        return [Outcome(failed, 0, NO_TIME)]


def _outcomes(shares: Sequence[Share], links: Sequence[Link], timings: Timings) -> Iterator[Outcome]:
    begin = 0
    for share in shares:
        own = links[begin : begin + len(share.mentions)]
        results = [
            LinkMentionsResponse(results=[result_message(link, mention_id)]).SerializeToString()
            for link, mention_id in zip(own, share.ids, strict=True)
        ]
        reranked = sum(any(c.rerank_score is not None for c in link.candidates) for link in own)
        yield Outcome(results, reranked, timings)
        begin += len(own)
