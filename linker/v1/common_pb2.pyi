import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class MatchSource(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MATCH_SOURCE_UNSPECIFIED: _ClassVar[MatchSource]
    MATCH_SOURCE_EXACT: _ClassVar[MatchSource]
    MATCH_SOURCE_DENSE: _ClassVar[MatchSource]
    MATCH_SOURCE_TYPO: _ClassVar[MatchSource]
MATCH_SOURCE_UNSPECIFIED: MatchSource
MATCH_SOURCE_EXACT: MatchSource
MATCH_SOURCE_DENSE: MatchSource
MATCH_SOURCE_TYPO: MatchSource

class Concept(_message.Message):
    __slots__ = ("id", "system", "code", "display", "semantic_types", "codes")
    ID_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_FIELD_NUMBER: _ClassVar[int]
    SEMANTIC_TYPES_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    id: str
    system: str
    code: str
    display: str
    semantic_types: _containers.RepeatedScalarFieldContainer[str]
    codes: _containers.RepeatedCompositeFieldContainer[CrosswalkCode]
    def __init__(self, id: _Optional[str] = ..., system: _Optional[str] = ..., code: _Optional[str] = ..., display: _Optional[str] = ..., semantic_types: _Optional[_Iterable[str]] = ..., codes: _Optional[_Iterable[_Union[CrosswalkCode, _Mapping]]] = ...) -> None: ...

class CrosswalkCode(_message.Message):
    __slots__ = ("vocabulary", "system", "code", "relation", "source", "confidence")
    VOCABULARY_FIELD_NUMBER: _ClassVar[int]
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    RELATION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    vocabulary: str
    system: str
    code: str
    relation: str
    source: str
    confidence: float
    def __init__(self, vocabulary: _Optional[str] = ..., system: _Optional[str] = ..., code: _Optional[str] = ..., relation: _Optional[str] = ..., source: _Optional[str] = ..., confidence: _Optional[float] = ...) -> None: ...

class Candidate(_message.Message):
    __slots__ = ("concept", "matched_name", "confidence", "similarity", "rerank_score", "match_source", "term_type", "support", "generalised_from")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    MATCHED_NAME_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    SIMILARITY_FIELD_NUMBER: _ClassVar[int]
    RERANK_SCORE_FIELD_NUMBER: _ClassVar[int]
    MATCH_SOURCE_FIELD_NUMBER: _ClassVar[int]
    TERM_TYPE_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    GENERALISED_FROM_FIELD_NUMBER: _ClassVar[int]
    concept: Concept
    matched_name: str
    confidence: float
    similarity: float
    rerank_score: float
    match_source: MatchSource
    term_type: str
    support: float
    generalised_from: str
    def __init__(self, concept: _Optional[_Union[Concept, _Mapping]] = ..., matched_name: _Optional[str] = ..., confidence: _Optional[float] = ..., similarity: _Optional[float] = ..., rerank_score: _Optional[float] = ..., match_source: _Optional[_Union[MatchSource, str]] = ..., term_type: _Optional[str] = ..., support: _Optional[float] = ..., generalised_from: _Optional[str] = ...) -> None: ...

class Provenance(_message.Message):
    __slots__ = ("bundle_digest", "encoder_digest", "reranker_digest", "server_version", "bundle")
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    ENCODER_DIGEST_FIELD_NUMBER: _ClassVar[int]
    RERANKER_DIGEST_FIELD_NUMBER: _ClassVar[int]
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle_digest: str
    encoder_digest: str
    reranker_digest: str
    server_version: str
    bundle: str
    def __init__(self, bundle_digest: _Optional[str] = ..., encoder_digest: _Optional[str] = ..., reranker_digest: _Optional[str] = ..., server_version: _Optional[str] = ..., bundle: _Optional[str] = ...) -> None: ...

class Timing(_message.Message):
    __slots__ = ("queue_duration", "encode_duration", "search_duration", "rerank_duration", "total_duration", "detect_duration")
    QUEUE_DURATION_FIELD_NUMBER: _ClassVar[int]
    ENCODE_DURATION_FIELD_NUMBER: _ClassVar[int]
    SEARCH_DURATION_FIELD_NUMBER: _ClassVar[int]
    RERANK_DURATION_FIELD_NUMBER: _ClassVar[int]
    TOTAL_DURATION_FIELD_NUMBER: _ClassVar[int]
    DETECT_DURATION_FIELD_NUMBER: _ClassVar[int]
    queue_duration: _duration_pb2.Duration
    encode_duration: _duration_pb2.Duration
    search_duration: _duration_pb2.Duration
    rerank_duration: _duration_pb2.Duration
    total_duration: _duration_pb2.Duration
    detect_duration: _duration_pb2.Duration
    def __init__(self, queue_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., encode_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., search_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., rerank_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., total_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., detect_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
