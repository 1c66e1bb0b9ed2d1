from google.protobuf import any_pb2 as _any_pb2
from linker.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OffsetUnit(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    OFFSET_UNIT_UNSPECIFIED: _ClassVar[OffsetUnit]
    OFFSET_UNIT_CODE_POINT: _ClassVar[OffsetUnit]
    OFFSET_UNIT_UTF16: _ClassVar[OffsetUnit]
    OFFSET_UNIT_UTF8: _ClassVar[OffsetUnit]

class RerankMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RERANK_MODE_UNSPECIFIED: _ClassVar[RerankMode]
    RERANK_MODE_AUTO: _ClassVar[RerankMode]
    RERANK_MODE_ALWAYS: _ClassVar[RerankMode]
    RERANK_MODE_NEVER: _ClassVar[RerankMode]

class NilReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NIL_REASON_UNSPECIFIED: _ClassVar[NilReason]
    NIL_REASON_NO_CANDIDATE: _ClassVar[NilReason]
    NIL_REASON_BELOW_THRESHOLD: _ClassVar[NilReason]
    NIL_REASON_AMBIGUOUS: _ClassVar[NilReason]

class GoAwayReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GO_AWAY_REASON_UNSPECIFIED: _ClassVar[GoAwayReason]
    GO_AWAY_REASON_STOPPING: _ClassVar[GoAwayReason]
    GO_AWAY_REASON_RELOADED: _ClassVar[GoAwayReason]

class Assertion(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ASSERTION_UNSPECIFIED: _ClassVar[Assertion]
    ASSERTION_NEGATED: _ClassVar[Assertion]
    ASSERTION_UNCERTAIN: _ClassVar[Assertion]
    ASSERTION_HISTORICAL: _ClassVar[Assertion]
    ASSERTION_HYPOTHETICAL: _ClassVar[Assertion]
    ASSERTION_FAMILY: _ClassVar[Assertion]
OFFSET_UNIT_UNSPECIFIED: OffsetUnit
OFFSET_UNIT_CODE_POINT: OffsetUnit
OFFSET_UNIT_UTF16: OffsetUnit
OFFSET_UNIT_UTF8: OffsetUnit
RERANK_MODE_UNSPECIFIED: RerankMode
RERANK_MODE_AUTO: RerankMode
RERANK_MODE_ALWAYS: RerankMode
RERANK_MODE_NEVER: RerankMode
NIL_REASON_UNSPECIFIED: NilReason
NIL_REASON_NO_CANDIDATE: NilReason
NIL_REASON_BELOW_THRESHOLD: NilReason
NIL_REASON_AMBIGUOUS: NilReason
GO_AWAY_REASON_UNSPECIFIED: GoAwayReason
GO_AWAY_REASON_STOPPING: GoAwayReason
GO_AWAY_REASON_RELOADED: GoAwayReason
ASSERTION_UNSPECIFIED: Assertion
ASSERTION_NEGATED: Assertion
ASSERTION_UNCERTAIN: Assertion
ASSERTION_HISTORICAL: Assertion
ASSERTION_HYPOTHETICAL: Assertion
ASSERTION_FAMILY: Assertion

class TextSpan(_message.Message):
    __slots__ = ("begin", "end")
    BEGIN_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    begin: int
    end: int
    def __init__(self, begin: _Optional[int] = ..., end: _Optional[int] = ...) -> None: ...

class LinkingOptions(_message.Message):
    __slots__ = ("bundle_digest", "top_k", "semantic_types", "vocabularies", "languages", "rerank_mode", "min_confidence", "codes", "value_set", "display_language", "bundle")
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    TOP_K_FIELD_NUMBER: _ClassVar[int]
    SEMANTIC_TYPES_FIELD_NUMBER: _ClassVar[int]
    VOCABULARIES_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    RERANK_MODE_FIELD_NUMBER: _ClassVar[int]
    MIN_CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    VALUE_SET_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle_digest: str
    top_k: int
    semantic_types: _containers.RepeatedScalarFieldContainer[str]
    vocabularies: _containers.RepeatedScalarFieldContainer[str]
    languages: _containers.RepeatedScalarFieldContainer[str]
    rerank_mode: RerankMode
    min_confidence: float
    codes: _containers.RepeatedScalarFieldContainer[str]
    value_set: _containers.RepeatedScalarFieldContainer[str]
    display_language: str
    bundle: str
    def __init__(self, bundle_digest: _Optional[str] = ..., top_k: _Optional[int] = ..., semantic_types: _Optional[_Iterable[str]] = ..., vocabularies: _Optional[_Iterable[str]] = ..., languages: _Optional[_Iterable[str]] = ..., rerank_mode: _Optional[_Union[RerankMode, str]] = ..., min_confidence: _Optional[float] = ..., codes: _Optional[_Iterable[str]] = ..., value_set: _Optional[_Iterable[str]] = ..., display_language: _Optional[str] = ..., bundle: _Optional[str] = ...) -> None: ...

class Mention(_message.Message):
    __slots__ = ("mention_id", "text", "context", "context_span")
    MENTION_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_SPAN_FIELD_NUMBER: _ClassVar[int]
    mention_id: str
    text: str
    context: str
    context_span: TextSpan
    def __init__(self, mention_id: _Optional[str] = ..., text: _Optional[str] = ..., context: _Optional[str] = ..., context_span: _Optional[_Union[TextSpan, _Mapping]] = ...) -> None: ...

class LinkMentionsRequest(_message.Message):
    __slots__ = ("mentions", "options", "offset_unit")
    MENTIONS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    OFFSET_UNIT_FIELD_NUMBER: _ClassVar[int]
    mentions: _containers.RepeatedCompositeFieldContainer[Mention]
    options: LinkingOptions
    offset_unit: OffsetUnit
    def __init__(self, mentions: _Optional[_Iterable[_Union[Mention, _Mapping]]] = ..., options: _Optional[_Union[LinkingOptions, _Mapping]] = ..., offset_unit: _Optional[_Union[OffsetUnit, str]] = ...) -> None: ...

class Match(_message.Message):
    __slots__ = ("candidates",)
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    candidates: _containers.RepeatedCompositeFieldContainer[_common_pb2.Candidate]
    def __init__(self, candidates: _Optional[_Iterable[_Union[_common_pb2.Candidate, _Mapping]]] = ...) -> None: ...

class NoMatch(_message.Message):
    __slots__ = ("reason", "candidates")
    REASON_FIELD_NUMBER: _ClassVar[int]
    CANDIDATES_FIELD_NUMBER: _ClassVar[int]
    reason: NilReason
    candidates: _containers.RepeatedCompositeFieldContainer[_common_pb2.Candidate]
    def __init__(self, reason: _Optional[_Union[NilReason, str]] = ..., candidates: _Optional[_Iterable[_Union[_common_pb2.Candidate, _Mapping]]] = ...) -> None: ...

class LinkResult(_message.Message):
    __slots__ = ("mention_id", "match", "no_match", "truncated", "expansion")
    MENTION_ID_FIELD_NUMBER: _ClassVar[int]
    MATCH_FIELD_NUMBER: _ClassVar[int]
    NO_MATCH_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    EXPANSION_FIELD_NUMBER: _ClassVar[int]
    mention_id: str
    match: Match
    no_match: NoMatch
    truncated: bool
    expansion: str
    def __init__(self, mention_id: _Optional[str] = ..., match: _Optional[_Union[Match, _Mapping]] = ..., no_match: _Optional[_Union[NoMatch, _Mapping]] = ..., truncated: bool = ..., expansion: _Optional[str] = ...) -> None: ...

class LinkMentionsResponse(_message.Message):
    __slots__ = ("results", "provenance", "timing")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[LinkResult]
    provenance: _common_pb2.Provenance
    timing: _common_pb2.Timing
    def __init__(self, results: _Optional[_Iterable[_Union[LinkResult, _Mapping]]] = ..., provenance: _Optional[_Union[_common_pb2.Provenance, _Mapping]] = ..., timing: _Optional[_Union[_common_pb2.Timing, _Mapping]] = ...) -> None: ...

class StreamLinkMentionsRequest(_message.Message):
    __slots__ = ("batch_id", "request")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    request: LinkMentionsRequest
    def __init__(self, batch_id: _Optional[int] = ..., request: _Optional[_Union[LinkMentionsRequest, _Mapping]] = ...) -> None: ...

class StreamLinkMentionsResponse(_message.Message):
    __slots__ = ("batch_id", "response", "error", "go_away")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    GO_AWAY_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    response: LinkMentionsResponse
    error: BatchError
    go_away: GoAway
    def __init__(self, batch_id: _Optional[int] = ..., response: _Optional[_Union[LinkMentionsResponse, _Mapping]] = ..., error: _Optional[_Union[BatchError, _Mapping]] = ..., go_away: _Optional[_Union[GoAway, _Mapping]] = ...) -> None: ...

class BatchError(_message.Message):
    __slots__ = ("code", "message", "details")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    details: _containers.RepeatedCompositeFieldContainer[_any_pb2.Any]
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., details: _Optional[_Iterable[_Union[_any_pb2.Any, _Mapping]]] = ...) -> None: ...

class GoAway(_message.Message):
    __slots__ = ("reason",)
    REASON_FIELD_NUMBER: _ClassVar[int]
    reason: GoAwayReason
    def __init__(self, reason: _Optional[_Union[GoAwayReason, str]] = ...) -> None: ...

class MentionSpan(_message.Message):
    __slots__ = ("pieces",)
    PIECES_FIELD_NUMBER: _ClassVar[int]
    pieces: _containers.RepeatedCompositeFieldContainer[TextSpan]
    def __init__(self, pieces: _Optional[_Iterable[_Union[TextSpan, _Mapping]]] = ...) -> None: ...

class GivenSpans(_message.Message):
    __slots__ = ("spans",)
    SPANS_FIELD_NUMBER: _ClassVar[int]
    spans: _containers.RepeatedCompositeFieldContainer[MentionSpan]
    def __init__(self, spans: _Optional[_Iterable[_Union[MentionSpan, _Mapping]]] = ...) -> None: ...

class Document(_message.Message):
    __slots__ = ("document_id", "text", "given", "language")
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    GIVEN_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    document_id: str
    text: str
    given: GivenSpans
    language: str
    def __init__(self, document_id: _Optional[str] = ..., text: _Optional[str] = ..., given: _Optional[_Union[GivenSpans, _Mapping]] = ..., language: _Optional[str] = ...) -> None: ...

class AnnotateDocumentsRequest(_message.Message):
    __slots__ = ("documents", "options", "offset_unit")
    DOCUMENTS_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    OFFSET_UNIT_FIELD_NUMBER: _ClassVar[int]
    documents: _containers.RepeatedCompositeFieldContainer[Document]
    options: LinkingOptions
    offset_unit: OffsetUnit
    def __init__(self, documents: _Optional[_Iterable[_Union[Document, _Mapping]]] = ..., options: _Optional[_Union[LinkingOptions, _Mapping]] = ..., offset_unit: _Optional[_Union[OffsetUnit, str]] = ...) -> None: ...

class AnnotatedMention(_message.Message):
    __slots__ = ("link", "pieces", "assertions", "section")
    LINK_FIELD_NUMBER: _ClassVar[int]
    PIECES_FIELD_NUMBER: _ClassVar[int]
    ASSERTIONS_FIELD_NUMBER: _ClassVar[int]
    SECTION_FIELD_NUMBER: _ClassVar[int]
    link: LinkResult
    pieces: _containers.RepeatedCompositeFieldContainer[TextSpan]
    assertions: _containers.RepeatedScalarFieldContainer[Assertion]
    section: str
    def __init__(self, link: _Optional[_Union[LinkResult, _Mapping]] = ..., pieces: _Optional[_Iterable[_Union[TextSpan, _Mapping]]] = ..., assertions: _Optional[_Iterable[_Union[Assertion, str]]] = ..., section: _Optional[str] = ...) -> None: ...

class Annotation(_message.Message):
    __slots__ = ("mentions", "language", "without_rules")
    MENTIONS_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_RULES_FIELD_NUMBER: _ClassVar[int]
    mentions: _containers.RepeatedCompositeFieldContainer[AnnotatedMention]
    language: str
    without_rules: bool
    def __init__(self, mentions: _Optional[_Iterable[_Union[AnnotatedMention, _Mapping]]] = ..., language: _Optional[str] = ..., without_rules: bool = ...) -> None: ...

class DocumentResult(_message.Message):
    __slots__ = ("document_id", "annotation", "error")
    DOCUMENT_ID_FIELD_NUMBER: _ClassVar[int]
    ANNOTATION_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    document_id: str
    annotation: Annotation
    error: BatchError
    def __init__(self, document_id: _Optional[str] = ..., annotation: _Optional[_Union[Annotation, _Mapping]] = ..., error: _Optional[_Union[BatchError, _Mapping]] = ...) -> None: ...

class AnnotateDocumentsResponse(_message.Message):
    __slots__ = ("results", "provenance", "timing")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    TIMING_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[DocumentResult]
    provenance: _common_pb2.Provenance
    timing: _common_pb2.Timing
    def __init__(self, results: _Optional[_Iterable[_Union[DocumentResult, _Mapping]]] = ..., provenance: _Optional[_Union[_common_pb2.Provenance, _Mapping]] = ..., timing: _Optional[_Union[_common_pb2.Timing, _Mapping]] = ...) -> None: ...

class StreamAnnotateDocumentsRequest(_message.Message):
    __slots__ = ("batch_id", "request")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    request: AnnotateDocumentsRequest
    def __init__(self, batch_id: _Optional[int] = ..., request: _Optional[_Union[AnnotateDocumentsRequest, _Mapping]] = ...) -> None: ...

class StreamAnnotateDocumentsResponse(_message.Message):
    __slots__ = ("batch_id", "response", "error", "go_away")
    BATCH_ID_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    GO_AWAY_FIELD_NUMBER: _ClassVar[int]
    batch_id: int
    response: AnnotateDocumentsResponse
    error: BatchError
    go_away: GoAway
    def __init__(self, batch_id: _Optional[int] = ..., response: _Optional[_Union[AnnotateDocumentsResponse, _Mapping]] = ..., error: _Optional[_Union[BatchError, _Mapping]] = ..., go_away: _Optional[_Union[GoAway, _Mapping]] = ...) -> None: ...
