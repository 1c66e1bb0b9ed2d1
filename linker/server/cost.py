"""What a mention costs before anyone has worked on it, in tokens.

Two tokens that every text has, and one for each four characters: over the names of three bundles that comes to 100, 103
and 110 % of the tokens that the encoder's tokenizer makes of them, at a hundredth of the time. What a batch takes is
nearly proportional to them. A mention that the cross-encoder has to read costs the pairs that it reads as well, and a
context what it takes to look through it for abbreviations. A document costs what it takes to read it, and the mentions
that are expected in it, until they are known.
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
_SCANNED = 4096  # characters of a context that are looked through in the time of a token
_READ = 128  # characters of a document whose names are found in that time...
_TAGGED = 12  # ...and that a trained model reads
_APART = 120  # characters of a document for each mention in it...
_MENTION = 6  # ...of so many tokens


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
    return [
        len(mention.context) // _SCANNED + _linked(_tokens(mention.text), _tokens(mention.context), reranked=reranked)
        for mention in mentions
    ]


def found_costs(readings: Iterable[Costed], *, reranked: bool = False) -> list[int]:
    """As `token_costs`, of mentions whose document has been looked through for abbreviations."""
    return [_linked(_tokens(reading.text), _CONTEXT, reranked=reranked) for reading in readings]


def part_cost(characters: int, *, tagged: bool = False) -> int:
    """The tokens of reading so much of a document. tagged: by a trained model."""
    return 1 + characters // (_TAGGED if tagged else _READ)


def link_request_cost(request: linking.LinkMentionsRequest) -> int:
    """The tokens of a request that nobody has checked yet."""
    reranked = request.options.rerank_mode == linking.RERANK_MODE_ALWAYS
    return sum(token_costs(request.mentions[: limits.MAX_MENTIONS], reranked=reranked))


def annotate_request_cost(request: linking.AnnotateDocumentsRequest, *, tagged: bool = False) -> int:
    """The tokens of a request that nobody has checked yet, as far as they can be told.

    tagged: a trained model reads the documents that have no mentions given.
    """
    mention = _linked(_MENTION - 2, _CONTEXT, reranked=request.options.rerank_mode == linking.RERANK_MODE_ALWAYS)
    documents = request.documents[: limits.MAX_DOCUMENTS]
    return sum(
        part_cost(len(d.text), tagged=tagged and not d.HasField("given")) + mention * _expected(d) for d in documents
    )


def _expected(document: linking.Document) -> int:
    """Mentions."""
    return len(document.given.spans) if document.HasField("given") else len(document.text) // _APART


def _linked(text: int, context: int, *, reranked: bool) -> int:
    own = 2 + text
    return own + _PAIRS * (own + _CANDIDATE + min(context, _CONTEXT)) if reranked else own


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS)
