"""What a mention costs before anyone has worked on it, in tokens.

Two tokens that every text has, and one for each four characters: over the names of three bundles that comes to 100, 103
and 110 % of the tokens that the encoder's tokenizer makes of them, at a hundredth of the time. What a batch takes is
nearly proportional to them. A mention that the cross-encoder has to read costs the pairs that it reads as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from linker import limits
from linker.v1 import linking_service_pb2 as linking

_CHARACTERS = 4  # to a token
_PAIRS = 12  # candidates that a cross-encoder reads beside a mention
_CANDIDATE = 10  # tokens of one
_CONTEXT = 32  # tokens of the context that it sees at most


class Costed(Protocol):
    """A mention, as a record or as a message."""

    @property
    def text(self) -> str:
        """Its surface form."""

    @property
    def context(self) -> str:
        """What is around it, "" for nothing."""


def token_costs(mentions: Iterable[Costed], *, reranked: bool = False) -> list[int]:
    """The tokens of each mention, (n,). reranked: the cross-encoder reads all of them, whatever retrieval says."""
    return [_cost(mention, reranked=reranked) for mention in mentions]


def request_cost(request: linking.LinkMentionsRequest) -> int:
    """The tokens of a request that nobody has checked yet."""
    reranked = request.options.rerank_mode == linking.RERANK_MODE_ALWAYS
    return sum(token_costs(request.mentions[: limits.MAX_MENTIONS], reranked=reranked))


def _cost(mention: Costed, *, reranked: bool) -> int:
    own = 2 + _tokens(mention.text)
    if not reranked:
        return own
    return own + _PAIRS * (own + _CANDIDATE + min(_tokens(mention.context), _CONTEXT))


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS)
