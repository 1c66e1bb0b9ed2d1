"""Every request is checked here, field by field, before anything is done with it.

A violation names its field and says what was expected. It never holds text of the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from linker import limits
from linker.detection.detector import Span
from linker.language import EXPECTED, is_tag
from linker.notes import Note
from linker.offsets import Offsets, OffsetUnit
from linker.options import Options
from linker.records import ConceptFilter, Mention
from linker.terminology import Terminology
from linker.v1 import admin_service_pb2 as admin_pb2
from linker.v1 import linking_service_pb2 as linking
from linker.v1 import terminology_service_pb2 as terminology_pb2
from linker.violations import Violations
from linker.wire import OFFSET_UNITS, RERANK_MODES

_OfBundle: TypeAlias = (
    linking.LinkingOptions
    | terminology_pb2.GetConceptRequest
    | terminology_pb2.BatchGetConceptsRequest
    | terminology_pb2.SearchConceptsRequest
    | terminology_pb2.ListAncestorsRequest
    | terminology_pb2.ListDescendantsRequest
    | terminology_pb2.MapCodesRequest
)
_Paged: TypeAlias = (
    terminology_pb2.SearchConceptsRequest
    | terminology_pb2.ListAncestorsRequest
    | terminology_pb2.ListDescendantsRequest
)


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """A checked request to link mentions. ids: as the client gave them, aligned with `mentions`.

    bundle, bundle_digest: "" for the default and any.
    """

    mentions: tuple[Mention, ...]
    ids: tuple[str, ...]
    options: Options
    bundle: str
    bundle_digest: str


@dataclass(frozen=True, slots=True)
class Document:
    """A document to annotate, its spans, if any are given, in order."""

    document_id: str
    note: Note


@dataclass(frozen=True, slots=True)
class AnnotateRequest:
    """A checked request to annotate documents; unit: of places in the answer. The rest: see `LinkRequest`."""

    documents: tuple[Document, ...]
    unit: OffsetUnit
    options: Options
    bundle: str
    bundle_digest: str


def read_link_request(request: linking.LinkMentionsRequest) -> LinkRequest:
    """The mentions and options of a request. Raises `InvalidRequest`."""
    violations = Violations()
    unit = _unit(request.offset_unit, violations)
    options = _options(request.options, violations)
    mentions: list[Mention] = []
    # The number first: a message may hold a million mentions, and one violation says it all.
    if violations.check_length("mentions", len(request.mentions), limits.MAX_MENTIONS, least=1, unit="mentions"):
        for position, message in enumerate(request.mentions):
            if violations.full:
                break
            mentions.append(_mention(message, unit, f"mentions[{position}]", violations))
    violations.raise_any()
    ids = tuple(message.mention_id for message in request.mentions)
    return LinkRequest(tuple(mentions), ids, options, request.options.bundle, request.options.bundle_digest)


def read_annotate_request(request: linking.AnnotateDocumentsRequest) -> AnnotateRequest:
    """The documents and options of a request. Raises `InvalidRequest`."""
    violations = Violations()
    unit = _unit(request.offset_unit, violations)
    options = _options(request.options, violations)
    documents: list[Document] = []
    many = len(request.documents), sum(len(message.given.spans) for message in request.documents)
    if violations.check_length("documents", many[0], limits.MAX_DOCUMENTS, least=1, unit="documents") and (
        violations.check_length("documents", many[1], limits.MAX_SPANS, unit="spans in all of them")
    ):
        for position, message in enumerate(request.documents):
            if violations.full:
                break
            documents.append(_document(message, unit, f"documents[{position}]", violations))
    violations.raise_any()
    return AnnotateRequest(tuple(documents), unit, options, request.options.bundle, request.options.bundle_digest)


def _unit(sent: linking.OffsetUnit, violations: Violations) -> OffsetUnit:
    if sent not in OFFSET_UNITS:
        violations.add("offset_unit", f"unknown enum value {sent}")
    return OFFSET_UNITS.get(sent, OffsetUnit.CODE_POINTS)


def _document(message: linking.Document, unit: OffsetUnit, path: str, violations: Violations) -> Document:
    violations.check_length(f"{path}.document_id", len(message.document_id), limits.MAX_DOCUMENT_ID_LENGTH)
    in_bounds = violations.check_length(f"{path}.text", len(message.text), limits.MAX_DOCUMENT_LENGTH)
    if message.language and not is_tag(message.language):
        violations.add(f"{path}.language", EXPECTED)
    if not message.HasField("given") or not in_bounds:
        return Document(message.document_id, Note(message.text, language=message.language))
    offsets = Offsets(message.text, unit)
    spans: list[Span] = []
    for position, given in enumerate(message.given.spans):
        if violations.full:
            break
        if span := _span(given, message.text, offsets, f"{path}.given.spans[{position}]", violations):
            if spans and span < spans[-1]:
                violations.add(f"{path}.given.spans[{position}]", "expected spans by begin, then by end")
            spans.append(span)
    return Document(message.document_id, Note(message.text, tuple(spans), message.language))


def _span(given: linking.MentionSpan, text: str, offsets: Offsets, path: str, violations: Violations) -> Span | None:
    if not violations.check_length(f"{path}.pieces", len(given.pieces), limits.MAX_PIECES, least=1, unit="pieces"):
        return None
    pieces = [
        _code_points(text, piece, offsets, f"{path}.pieces[{position}]", violations)
        for position, piece in enumerate(given.pieces)
    ]
    known = [piece for piece in pieces if piece is not None]
    if any(end > begin for (_, end), (begin, _) in pairwise(known)):
        violations.add(f"{path}.pieces", "expected pieces in order and apart")
        return None
    return Span(tuple(known)) if len(known) == len(pieces) else None


def _options(message: linking.LinkingOptions, violations: Violations) -> Options:
    _check_bundle(message, violations, path="options.")
    if not 0 <= message.top_k <= limits.MAX_TOP_K:
        violations.add("options.top_k", f"expected 0 to {limits.MAX_TOP_K}, got {message.top_k}")
    wanted = ConceptFilter(
        frozenset(_values("options.semantic_types", message.semantic_types, violations)),
        frozenset(_values("options.vocabularies", message.vocabularies, violations)),
        frozenset(_values("options.languages", message.languages, violations)),
    )
    if message.rerank_mode not in RERANK_MODES:
        violations.add("options.rerank_mode", f"unknown enum value {message.rerank_mode}")
    violations.check_length("options.display_language", len(message.display_language), limits.MAX_FILTER_VALUE_LENGTH)
    confidence = message.min_confidence if message.HasField("min_confidence") else None
    if confidence is not None and not 0.0 <= confidence <= 1.0:  # NaN is not in the range either
        violations.add("options.min_confidence", f"expected 0 to 1, got {confidence:g}")
    return Options(
        top_k=message.top_k or limits.DEFAULT_TOP_K,
        filter=wanted,
        rerank=RERANK_MODES.get(message.rerank_mode, RERANK_MODES[linking.RERANK_MODE_AUTO]),
        min_confidence=confidence,
        codes=tuple(_values("options.codes", message.codes, violations)),
        value_set=frozenset(_ids("options.value_set", message.value_set, limits.MAX_VALUE_SET, violations)) or None,
        display_language=message.display_language,
    )


def _check_bundle(message: _OfBundle, violations: Violations, *, path: str = "") -> None:
    violations.check_length(f"{path}bundle", len(message.bundle), limits.MAX_BUNDLE_LENGTH)
    violations.check_length(f"{path}bundle_digest", len(message.bundle_digest), limits.MAX_DIGEST_LENGTH)


def _values(field: str, values: Sequence[str], violations: Violations) -> Sequence[str]:
    if not violations.check_length(field, len(values), limits.MAX_FILTER_VALUES, unit="values"):
        return ()
    for position, value in enumerate(values):
        violations.check_length(f"{field}[{position}]", len(value), limits.MAX_FILTER_VALUE_LENGTH)
    return values


def _ids(field: str, values: Sequence[str], most: int, violations: Violations, *, least: int = 0) -> Sequence[str]:
    if not violations.check_length(field, len(values), most, least=least, unit="ids"):
        return ()
    for position, value in enumerate(values):
        violations.check_length(f"{field}[{position}]", len(value), limits.MAX_CONCEPT_ID_LENGTH, least=1)
    return values


def _mention(message: linking.Mention, unit: OffsetUnit, path: str, violations: Violations) -> Mention:
    violations.check_length(f"{path}.mention_id", len(message.mention_id), limits.MAX_MENTION_ID_LENGTH)
    violations.check_length(f"{path}.text", len(message.text), limits.MAX_MENTION_LENGTH, least=1)
    in_bounds = violations.check_length(f"{path}.context", len(message.context), limits.MAX_CONTEXT_LENGTH)
    if not message.HasField("context_span") or not in_bounds:
        return Mention(message.text, message.context)
    offsets = Offsets(message.context, unit)
    span = _code_points(message.context, message.context_span, offsets, f"{path}.context_span", violations)
    if span is None:
        return Mention(message.text, message.context)
    begin, end = span
    if message.context[begin:end] != message.text:
        violations.add(f"{path}.context_span", "context at this place is not text; is offset_unit right?")
    return Mention(message.text, message.context, begin, end)


def _code_points(
    text: str, span: linking.TextSpan, offsets: Offsets, path: str, violations: Violations
) -> tuple[int, int] | None:
    """The span in code points, or None and a violation."""
    length = offsets.of(len(text))
    if not 0 <= span.begin < span.end <= length:
        violations.add(path, f"expected 0 <= begin < end <= {length}, got {span.begin} and {span.end}")
        return None
    begin, end = offsets.place(span.begin), offsets.place(span.end)
    for name, offset, place in (("begin", span.begin, begin), ("end", span.end, end)):
        if place is None:
            violations.add(f"{path}.{name}", f"{offset} is inside a character, not between two")
    return None if begin is None or end is None else (begin, end)


def check_concepts(request: terminology_pb2.BatchGetConceptsRequest) -> None:
    """Raises `InvalidRequest` unless a request for several concepts is acceptable."""
    violations = Violations()
    _check_bundle(request, violations)
    _ids("concept_ids", request.concept_ids, limits.MAX_CONCEPT_IDS, violations, least=1)
    violations.raise_any()


def check_concept(request: terminology_pb2.GetConceptRequest) -> None:
    """Raises `InvalidRequest` unless a request for a concept is acceptable."""
    violations = Violations()
    _check_bundle(request, violations)
    violations.check_length("concept_id", len(request.concept_id), limits.MAX_CONCEPT_ID_LENGTH, least=1)
    violations.raise_any()


def check_reload(request: admin_pb2.ReloadBundleRequest | admin_pb2.RollBackBundleRequest) -> None:
    """Raises `InvalidRequest` unless a request to reload a bundle, or to go back to the one before, is acceptable."""
    violations = Violations()
    violations.check_length("bundle", len(request.bundle), limits.MAX_BUNDLE_LENGTH)
    if isinstance(request, admin_pb2.ReloadBundleRequest):
        violations.check_length("bundle_digest", len(request.bundle_digest), limits.MAX_DIGEST_LENGTH)
    violations.raise_any()


def check_value_set(value_set: Sequence[str], terminology: Terminology) -> None:
    """Raises `InvalidRequest` unless these are ids or exact codes of current concepts of the bundle."""
    violations = Violations()
    for position, concept_id in enumerate(value_set):
        if violations.full:
            break
        if not terminology.current(concept_id):
            violations.add(f"options.value_set[{position}]", "expected the id of a current concept of this bundle")
    violations.raise_any()


def check_codings(request: terminology_pb2.MapCodesRequest) -> None:
    """Raises `InvalidRequest` unless the codes and vocabularies of a request are acceptable."""
    violations = Violations()
    _check_bundle(request, violations)
    _values("targets", request.targets, violations)
    if violations.check_length("codings", len(request.codings), limits.MAX_CODINGS, least=1, unit="codings"):
        for position, coding in enumerate(request.codings):
            path = f"codings[{position}]"
            violations.check_length(f"{path}.system", len(coding.system), limits.MAX_FILTER_VALUE_LENGTH)
            violations.check_length(f"{path}.code", len(coding.code), limits.MAX_CONCEPT_ID_LENGTH, least=1)
    violations.raise_any()


def read_page_size(request: terminology_pb2.SearchConceptsRequest) -> int:
    """The size of the page asked for. Raises `InvalidRequest` where any field of the request is out of its range."""
    violations = Violations()
    _check_bundle(request, violations)
    violations.check_length("query", len(request.query), limits.MAX_QUERY_LENGTH, least=1)
    violations.check_length("display_language", len(request.display_language), limits.MAX_FILTER_VALUE_LENGTH)
    if request.mode not in terminology_pb2.SearchMode.values():
        violations.add("mode", f"unknown enum value {request.mode}")
    size = _page_size(request, violations, usual=limits.DEFAULT_PAGE_SIZE, most=limits.MAX_PAGE_SIZE)
    violations.raise_any()
    return size


def read_relatives_page_size(
    request: terminology_pb2.ListAncestorsRequest | terminology_pb2.ListDescendantsRequest,
) -> int:
    """The size of the page asked for. Raises `InvalidRequest` where any field of the request is out of its range."""
    violations = Violations()
    _check_bundle(request, violations)
    violations.check_length("concept_id", len(request.concept_id), limits.MAX_CONCEPT_ID_LENGTH, least=1)
    if request.max_distance < 0:
        violations.add("max_distance", f"expected 0 or more, got {request.max_distance}")
    most = limits.MAX_RELATIVES_PAGE_SIZE
    size = _page_size(request, violations, usual=limits.DEFAULT_RELATIVES_PAGE_SIZE, most=most)
    violations.raise_any()
    return size


def _page_size(request: _Paged, violations: Violations, *, usual: int, most: int) -> int:
    violations.check_length("page_token", len(request.page_token), limits.MAX_PAGE_TOKEN_LENGTH)
    if request.page_size < 0:
        violations.add("page_size", f"expected 0 or more, got {request.page_size}")
    return min(request.page_size or usual, most)
