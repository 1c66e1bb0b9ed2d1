"""What a client gives back where the linker itself has no record for it, and how it is read from messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from google.protobuf.duration_pb2 import Duration

from linker.client.errors import error_of_batch
from linker.documents import annotated_note
from linker.errors import LinkerError
from linker.notes import AnnotatedNote, Note
from linker.records import Code, ConceptRecord, Link, Mention, Name, Successor
from linker.v1 import common_pb2 as common
from linker.v1 import terminology_service_pb2 as terminology
from linker.v1.linking_service_pb2 import AnnotateDocumentsResponse, DocumentResult, LinkMentionsResponse
from linker.wire import links_of


@dataclass(frozen=True, slots=True)
class Provenance:
    """What produced an answer, enough to reproduce it. Digests are SHA-256 in hexadecimal, "" without a reranker."""

    bundle: str
    bundle_digest: str
    encoder_digest: str
    reranker_digest: str
    server_version: str


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of a request went on the server, in seconds. detect_s: finding mentions in notes."""

    queue_s: float
    detect_s: float
    encode_s: float
    search_s: float
    rerank_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class LinkedBatch:
    """The links of one request, one for each mention in order, all from one bundle."""

    links: tuple[Link, ...]
    provenance: Provenance
    timing: Timing


@dataclass(frozen=True, slots=True)
class AnnotatedBatch:
    """The notes of one request, in order, all from one bundle. One that the server could not annotate is a fault."""

    notes: tuple[AnnotatedNote | LinkerError, ...]
    provenance: Provenance
    timing: Timing


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept without its names. distance: steps to the concept whose ancestor or descendant it is, else 0."""

    concept_id: str
    preferred_name: str
    semantic_types: tuple[str, ...]
    codes: tuple[Code, ...]
    distance: int = 0


class CodeStatus(StrEnum):
    """What is known of a code."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    RETIRED = "retired"  # or merged, and no current concept has it


@dataclass(frozen=True, slots=True)
class MappedConcept:
    """A concept that has a code. relation: what it is to the code, an SSSOM predicate; source: who says so."""

    concept: Concept
    relation: str
    source: str


@dataclass(frozen=True, slots=True)
class CodeMapping:
    """What one code stands for. truncated: more concepts have it than these. replaced_by: where it is retired."""

    system: str
    code: str
    status: CodeStatus
    concepts: tuple[MappedConcept, ...]
    truncated: bool
    replaced_by: tuple[Successor, ...]


_STATUSES = {
    terminology.CODE_STATUS_FOUND: CodeStatus.FOUND,
    terminology.CODE_STATUS_RETIRED: CodeStatus.RETIRED,
}


def linked_batch(response: LinkMentionsResponse, mentions: Sequence[Mention]) -> LinkedBatch:
    """The answer to a request for `mentions`."""
    links = tuple(links_of(response, mentions))
    return LinkedBatch(links, provenance(response.provenance), _timing(response.timing))


def annotated_batch(response: AnnotateDocumentsResponse, notes: Sequence[Note]) -> AnnotatedBatch:
    """The answer to a request for `notes`."""
    annotated = tuple(_annotated(result, note) for result, note in zip(response.results, notes, strict=True))
    return AnnotatedBatch(annotated, provenance(response.provenance), _timing(response.timing))


def _annotated(result: DocumentResult, note: Note) -> AnnotatedNote | LinkerError:
    if result.HasField("error"):
        return error_of_batch(result.error)
    return annotated_note(result.annotation, note.text)


def _timing(message: common.Timing) -> Timing:
    return Timing(
        _seconds(message.queue_duration),
        _seconds(message.detect_duration),
        _seconds(message.encode_duration),
        _seconds(message.search_duration),
        _seconds(message.rerank_duration),
        _seconds(message.total_duration),
    )


def _seconds(duration: Duration) -> float:
    return float(duration.ToNanoseconds()) / 1e9


def provenance(message: common.Provenance) -> Provenance:
    """What produced an answer."""
    return Provenance(
        bundle=message.bundle,
        bundle_digest=message.bundle_digest,
        encoder_digest=message.encoder_digest,
        reranker_digest=message.reranker_digest,
        server_version=message.server_version,
    )


def concept(message: common.Concept, *, distance: int = 0) -> Concept:
    """A concept without its names."""
    return Concept(message.id, message.display, tuple(message.semantic_types), _codes(message), distance)


def _codes(message: common.Concept) -> tuple[Code, ...]:
    return tuple(Code(code.vocabulary, code.code, code.relation, code.source) for code in message.codes)


def relative(message: terminology.Relative) -> Concept:
    """A concept above or below another."""
    return concept(message.concept, distance=message.distance)


def concept_record(response: terminology.GetConceptResponse) -> ConceptRecord:
    """All about one concept. Rows do not cross the wire: its `concept` is -1."""
    return ConceptRecord(
        concept=-1,
        concept_id=response.concept.id,
        preferred_name=response.concept.display,
        semantic_types=tuple(response.concept.semantic_types),
        definition=response.definition,
        parents=tuple(response.parent_ids),
        retired=response.retired,
        names=tuple(Name(name.name, name.language, name.term_type, name.source) for name in response.names),
        codes=_codes(response.concept),
        replaced_by=_successors(response.replaced_by),
    )


def _successors(replacements: Sequence[terminology.Replacement]) -> tuple[Successor, ...]:
    return tuple(Successor(successor.concept_id, tuple(successor.relations)) for successor in replacements)


def code_mapping(message: terminology.CodeMapping) -> CodeMapping:
    """What one code stands for."""
    return CodeMapping(
        system=message.coding.system,
        code=message.coding.code,
        status=_STATUSES.get(message.status, CodeStatus.NOT_FOUND),
        concepts=tuple(MappedConcept(concept(m.concept), m.relation, m.source) for m in message.concepts),
        truncated=message.truncated,
        replaced_by=_successors(message.replaced_by),
    )
