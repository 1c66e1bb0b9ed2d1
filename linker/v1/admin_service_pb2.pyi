import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from linker.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_mentions_per_request", "max_mention_length", "max_context_length", "max_message_bytes", "max_top_k", "max_queued_mentions", "max_batch_mentions")
    MAX_MENTIONS_PER_REQUEST_FIELD_NUMBER: _ClassVar[int]
    MAX_MENTION_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_TOP_K_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUED_MENTIONS_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_MENTIONS_FIELD_NUMBER: _ClassVar[int]
    max_mentions_per_request: int
    max_mention_length: int
    max_context_length: int
    max_message_bytes: int
    max_top_k: int
    max_queued_mentions: int
    max_batch_mentions: int
    def __init__(self, max_mentions_per_request: _Optional[int] = ..., max_mention_length: _Optional[int] = ..., max_context_length: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., max_top_k: _Optional[int] = ..., max_queued_mentions: _Optional[int] = ..., max_batch_mentions: _Optional[int] = ...) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("provenance", "start_time", "limits", "concept_count", "name_count", "languages", "encoder", "reranker")
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CONCEPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    NAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    RERANKER_FIELD_NUMBER: _ClassVar[int]
    provenance: _common_pb2.Provenance
    start_time: _timestamp_pb2.Timestamp
    limits: Limits
    concept_count: int
    name_count: int
    languages: _containers.RepeatedScalarFieldContainer[str]
    encoder: str
    reranker: str
    def __init__(self, provenance: _Optional[_Union[_common_pb2.Provenance, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., concept_count: _Optional[int] = ..., name_count: _Optional[int] = ..., languages: _Optional[_Iterable[str]] = ..., encoder: _Optional[str] = ..., reranker: _Optional[str] = ...) -> None: ...
