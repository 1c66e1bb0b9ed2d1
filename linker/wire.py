"""Protobuf to records and back: the shape of everything that crosses the wire. Requests are checked in `requests`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from linker.identifiers import split_curie, system_uri
from linker.offsets import OffsetUnit
from linker.options import Options
from linker.records import (
    Candidate,
    Code,
    ConceptRecord,
    Link,
    MatchSource,
    Mention,
    NilReason,
    RerankMode,
    Successor,
)
from linker.v1 import common_pb2, linking_service_pb2, terminology_service_pb2

if TYPE_CHECKING:  # a client needs the shapes, and neither FAISS nor Arrow
    from linker.bundle import Bundle
    from linker.hierarchy import Relatives
    from linker.mapping import Mapping
    from linker.pipeline import Timings
    from linker.terminology import Terminology

RERANK_MODES = {
    linking_service_pb2.RERANK_MODE_UNSPECIFIED: RerankMode.AUTO,
    linking_service_pb2.RERANK_MODE_AUTO: RerankMode.AUTO,
    linking_service_pb2.RERANK_MODE_ALWAYS: RerankMode.ALWAYS,
    linking_service_pb2.RERANK_MODE_NEVER: RerankMode.NEVER,
}
_RERANK_NUMBERS = {mode: number for number, mode in RERANK_MODES.items()}
OFFSET_UNITS = {
    linking_service_pb2.OFFSET_UNIT_UNSPECIFIED: OffsetUnit.CODE_POINTS,
    linking_service_pb2.OFFSET_UNIT_CODE_POINT: OffsetUnit.CODE_POINTS,
    linking_service_pb2.OFFSET_UNIT_UTF16: OffsetUnit.UTF16,
    linking_service_pb2.OFFSET_UNIT_UTF8: OffsetUnit.UTF8,
}
_SOURCE_NUMBERS = {
    MatchSource.EXACT: common_pb2.MATCH_SOURCE_EXACT,
    MatchSource.TYPO: common_pb2.MATCH_SOURCE_TYPO,
    MatchSource.DENSE: common_pb2.MATCH_SOURCE_DENSE,
}
_SOURCES = {number: source for source, number in _SOURCE_NUMBERS.items()}
_REASON_NUMBERS = {
    NilReason.NO_CANDIDATE: linking_service_pb2.NIL_REASON_NO_CANDIDATE,
    NilReason.BELOW_THRESHOLD: linking_service_pb2.NIL_REASON_BELOW_THRESHOLD,
    NilReason.AMBIGUOUS: linking_service_pb2.NIL_REASON_AMBIGUOUS,
}
_REASONS = {number: reason for reason, number in _REASON_NUMBERS.items()}


def link_request(mentions: Sequence[Mention], options: Options) -> linking_service_pb2.LinkMentionsRequest:
    """A request to link `mentions`, with offsets in code points."""
    return linking_service_pb2.LinkMentionsRequest(
        mentions=map(mention_message, mentions),
        offset_unit=linking_service_pb2.OFFSET_UNIT_CODE_POINT,
        options=options_message(options),
    )


def options_message(options: Options) -> linking_service_pb2.LinkingOptions:
    """Options as a message; a bundle is the caller's to choose."""
    return linking_service_pb2.LinkingOptions(
        top_k=options.top_k,
        semantic_types=sorted(options.filter.semantic_types),
        vocabularies=sorted(options.filter.vocabularies),
        languages=sorted(options.filter.languages),
        rerank_mode=_RERANK_NUMBERS[options.rerank],
        min_confidence=options.min_confidence,
        codes=options.codes,
        value_set=sorted(options.value_set or ()),
        display_language=options.display_language,
    )


def mention_message(mention: Mention) -> linking_service_pb2.Mention:
    """A mention, with its place in code points. Raises UnicodeEncodeError where a text is half a surrogate pair."""
    message = linking_service_pb2.Mention(text=mention.text, context=mention.context)
    if mention.begin is not None and mention.end is not None:
        message.context_span.begin, message.context_span.end = mention.begin, mention.end
    return message


def result_message(link: Link, mention_id: str) -> linking_service_pb2.LinkResult:
    """What became of one mention, as a message."""
    result = linking_service_pb2.LinkResult(mention_id=mention_id, truncated=link.truncated, expansion=link.expansion)
    candidates = [_candidate_message(candidate) for candidate in link.candidates]
    if link.nil_reason is None:
        result.match.candidates.extend(candidates)
    else:
        result.no_match.reason = _REASON_NUMBERS[link.nil_reason]
        result.no_match.candidates.extend(candidates)
    return result


def links_of(response: linking_service_pb2.LinkMentionsResponse, mentions: Sequence[Mention]) -> list[Link]:
    """The links in a response to a request for `mentions`. Rows of concepts do not cross the wire and are -1."""
    return [link_of(result, mention) for result, mention in zip(response.results, mentions, strict=True)]


def link_of(result: linking_service_pb2.LinkResult, mention: Mention) -> Link:
    """What became of a mention. Rows of concepts do not cross the wire and are -1."""
    matched = result.WhichOneof("outcome") == "match"
    candidates = result.match.candidates if matched else result.no_match.candidates
    # A reason or a source that a newer server added is shown as the nearest one known here.
    reason = None if matched else _REASONS.get(result.no_match.reason, NilReason.BELOW_THRESHOLD)
    linked = tuple(_candidate(candidate) for candidate in candidates)
    return Link(mention, linked, reason, result.truncated, result.expansion)


def _candidate(message: common_pb2.Candidate) -> Candidate:
    concept = message.concept
    return Candidate(
        concept=-1,
        concept_id=concept.id,
        preferred_name=concept.display,
        matched_name=message.matched_name,
        term_type=message.term_type,
        source=_SOURCES.get(message.match_source, MatchSource.DENSE),
        similarity=message.similarity,
        support=message.support,
        semantic_types=tuple(concept.semantic_types),
        codes=tuple(map(_code_of, concept.codes)),
        rerank_score=message.rerank_score if message.HasField("rerank_score") else None,
        confidence=message.confidence,
        generalised_from=message.generalised_from,
    )


def _candidate_message(candidate: Candidate) -> common_pb2.Candidate:
    return common_pb2.Candidate(
        concept=_concept_message(
            candidate.concept_id, candidate.preferred_name, candidate.semantic_types, candidate.codes
        ),
        matched_name=candidate.matched_name,
        confidence=candidate.confidence,
        similarity=candidate.similarity,
        support=candidate.support,
        rerank_score=candidate.rerank_score,
        match_source=_SOURCE_NUMBERS[candidate.source],
        term_type=candidate.term_type,
        generalised_from=candidate.generalised_from,
    )


def _concept_message(
    concept_id: str, preferred_name: str, semantic_types: Sequence[str], codes: Sequence[Code]
) -> common_pb2.Concept:
    prefix, local = split_curie(concept_id)
    return common_pb2.Concept(
        id=concept_id,
        system=system_uri(prefix),
        code=local,
        display=preferred_name,
        semantic_types=semantic_types,
        codes=[_code_message(code) for code in codes],
    )


def _code_message(code: Code) -> common_pb2.CrosswalkCode:
    return common_pb2.CrosswalkCode(
        vocabulary=code.system,
        system=system_uri(code.system),
        code=code.code,
        relation=code.relation,
        source=code.source,
        confidence=code.confidence,
    )


def _code_of(message: common_pb2.CrosswalkCode) -> Code:
    sure = message.confidence if message.HasField("confidence") else None
    return Code(message.vocabulary, message.code, message.relation, message.source, sure)


def concept_message(
    terminology: Terminology, concept: int, systems: Sequence[str] = (), *, language: str = ""
) -> common_pb2.Concept:
    """The concept at a row of the terminology, with its codes in these vocabularies, or in all others.

    language: that its preferred name is shown in, where it has one.
    """
    message = _described(terminology, concept, terminology.codes(concept, systems))
    if language:
        message.display = terminology.name_in(frozenset({language}), concept)
    return message


def _described(terminology: Terminology, concept: int, codes: Sequence[Code]) -> common_pb2.Concept:
    return _concept_message(
        terminology.concept_id(concept), terminology.preferred_name(concept), terminology.semantic_types(concept), codes
    )


def relative_messages(
    terminology: Terminology, relatives: Relatives, page: slice
) -> list[terminology_service_pb2.Relative]:
    """The concepts above or below another that are on a page."""
    rows, distances = relatives.rows[page].tolist(), relatives.distances[page].tolist()
    return [
        terminology_service_pb2.Relative(concept=_described(terminology, row, ()), distance=distance)
        for row, distance in zip(rows, distances, strict=True)
    ]


def mapping_message(
    terminology: Terminology,
    coding: terminology_service_pb2.Coding,
    mapping: Mapping,
    targets: Sequence[str],
    *,
    limit: int,
) -> terminology_service_pb2.CodeMapping:
    """The concepts, at most `limit`, that a code stands for, with their codes in `targets`, or in all vocabularies."""
    missing = (
        terminology_service_pb2.CODE_STATUS_RETIRED
        if mapping.retired
        else terminology_service_pb2.CODE_STATUS_NOT_FOUND
    )
    return terminology_service_pb2.CodeMapping(
        coding=coding,
        status=terminology_service_pb2.CODE_STATUS_FOUND if mapping.concepts else missing,
        concepts=[
            terminology_service_pb2.MappedConcept(
                concept=concept_message(terminology, row, targets or terminology.vocabularies),
                relation=code.relation,
                source=code.source,
                confidence=code.confidence,
            )
            for row, code in mapping.concepts[:limit]
        ],
        truncated=len(mapping.concepts) > limit,
        replaced_by=_replacements(terminology, mapping.replaced_by),
    )


def _replacements(
    terminology: Terminology, successors: Sequence[Successor]
) -> list[terminology_service_pb2.Replacement]:
    return [
        terminology_service_pb2.Replacement(
            concept_id=successor.concept_id,
            display=terminology.preferred_name(terminology.row(successor.concept_id)),
            relations=successor.relations,
        )
        for successor in successors
    ]


def retired_response(
    terminology: Terminology, concept_id: str, successors: Sequence[Successor]
) -> terminology_service_pb2.GetConceptResponse:
    """What is known of an id that was retired or merged and is no concept of the bundle any more."""
    return terminology_service_pb2.GetConceptResponse(
        concept=_concept_message(concept_id, "", (), ()),
        retired=True,
        replaced_by=_replacements(terminology, successors),
    )


def concept_response(terminology: Terminology, record: ConceptRecord) -> terminology_service_pb2.GetConceptResponse:
    """All about one concept; its names come as they lie in a bundle, the preferred ones first."""
    return terminology_service_pb2.GetConceptResponse(
        concept=_concept_message(record.concept_id, record.preferred_name, record.semantic_types, record.codes),
        names=[
            terminology_service_pb2.ConceptName(
                name=name.name, language=name.language, term_type=name.term_type, source=name.source
            )
            for name in record.names
        ],
        definition=record.definition,
        parent_ids=record.parents,
        retired=record.retired,
        replaced_by=_replacements(terminology, record.replaced_by),
    )


def provenance_message(bundle: Bundle, server_version: str, *, name: str = "") -> common_pb2.Provenance:
    """What a server that serves `bundle` under a name says of its answers."""
    reranker = bundle.manifest.reranker
    return common_pb2.Provenance(
        bundle_digest=bundle.digest,
        encoder_digest=bundle.manifest.encoder.digest,
        reranker_digest=reranker.digest if reranker else "",
        server_version=server_version,
        bundle=name,
    )


def timing_message(timings: Timings, *, queue_ns: int, total_ns: int) -> common_pb2.Timing:
    """Where the time of one call went."""
    timing = common_pb2.Timing()
    timing.queue_duration.FromNanoseconds(queue_ns)
    timing.detect_duration.FromNanoseconds(timings.detect_ns)
    timing.encode_duration.FromNanoseconds(timings.encode_ns)
    timing.search_duration.FromNanoseconds(timings.search_ns)
    timing.rerank_duration.FromNanoseconds(timings.rerank_ns)
    timing.total_duration.FromNanoseconds(total_ns)
    return timing
