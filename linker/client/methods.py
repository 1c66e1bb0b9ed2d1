"""The methods of a server that take batches, as a client sees them: mentions to link, notes to annotate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from linker.client.answers import annotated_batch, linked_batch
from linker.client.batches import MENTIONS, NOTES, Kind
from linker.client.settings import Settings
from linker.documents import annotate_request
from linker.options import Options
from linker.v1 import linking_service_pb2 as linking
from linker.v1.linking_service_pb2_grpc import LinkingServiceStub
from linker.wire import link_request


@dataclass(frozen=True, slots=True)
class Method:
    """A method. kind: of its items. size: of its batches. template: a request without items.

    call: the method of the server that takes one request. stream: the one that takes many, each in a `batch`. answer:
    what the caller gets for a response to these items.
    """

    kind: Kind
    size: int
    template: Callable[[Options], Any]
    call: Callable[..., Any]
    stream: Callable[..., Any]
    batch: Callable[..., Any]
    answer: Callable[[Any, Sequence[Any]], Any]


def link_method(stub: LinkingServiceStub, settings: Settings) -> Method:
    """Links mentions; an answer is a `LinkedBatch`."""
    return Method(
        kind=MENTIONS,
        size=settings.batch_size,
        template=lambda options: link_request([], options),
        call=stub.LinkMentions,
        stream=stub.StreamLinkMentions,
        batch=linking.StreamLinkMentionsRequest,
        answer=linked_batch,
    )


def annotate_method(stub: LinkingServiceStub, settings: Settings) -> Method:
    """Annotates notes; an answer is an `AnnotatedBatch`."""
    return Method(
        kind=NOTES,
        size=settings.batch_characters,
        template=lambda options: annotate_request([], options),
        call=stub.AnnotateDocuments,
        stream=stub.StreamAnnotateDocuments,
        batch=linking.StreamAnnotateDocumentsRequest,
        answer=annotated_batch,
    )
