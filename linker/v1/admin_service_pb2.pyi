import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class BundleState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    BUNDLE_STATE_UNSPECIFIED: _ClassVar[BundleState]
    BUNDLE_STATE_LOADING: _ClassVar[BundleState]
    BUNDLE_STATE_SERVING: _ClassVar[BundleState]
BUNDLE_STATE_UNSPECIFIED: BundleState
BUNDLE_STATE_LOADING: BundleState
BUNDLE_STATE_SERVING: BundleState

class GetServerInfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Limits(_message.Message):
    __slots__ = ("max_mentions_per_request", "max_mention_length", "max_context_length", "max_message_bytes", "max_top_k", "max_queued_tokens", "max_batch_tokens", "max_in_flight_batches", "default_timeout", "max_documents_per_request", "max_document_length")
    MAX_MENTIONS_PER_REQUEST_FIELD_NUMBER: _ClassVar[int]
    MAX_MENTION_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_CONTEXT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    MAX_MESSAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_TOP_K_FIELD_NUMBER: _ClassVar[int]
    MAX_QUEUED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_BATCH_TOKENS_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_BATCHES_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_TIMEOUT_FIELD_NUMBER: _ClassVar[int]
    MAX_DOCUMENTS_PER_REQUEST_FIELD_NUMBER: _ClassVar[int]
    MAX_DOCUMENT_LENGTH_FIELD_NUMBER: _ClassVar[int]
    max_mentions_per_request: int
    max_mention_length: int
    max_context_length: int
    max_message_bytes: int
    max_top_k: int
    max_queued_tokens: int
    max_batch_tokens: int
    max_in_flight_batches: int
    default_timeout: _duration_pb2.Duration
    max_documents_per_request: int
    max_document_length: int
    def __init__(self, max_mentions_per_request: _Optional[int] = ..., max_mention_length: _Optional[int] = ..., max_context_length: _Optional[int] = ..., max_message_bytes: _Optional[int] = ..., max_top_k: _Optional[int] = ..., max_queued_tokens: _Optional[int] = ..., max_batch_tokens: _Optional[int] = ..., max_in_flight_batches: _Optional[int] = ..., default_timeout: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_documents_per_request: _Optional[int] = ..., max_document_length: _Optional[int] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "digest")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    name: str
    digest: str
    def __init__(self, name: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...

class Bundle(_message.Message):
    __slots__ = ("name", "is_default", "state", "digest", "serve_time", "previous_digest", "reload_error", "concept_count", "name_count", "languages", "encoder", "reranker")
    NAME_FIELD_NUMBER: _ClassVar[int]
    IS_DEFAULT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SERVE_TIME_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_DIGEST_FIELD_NUMBER: _ClassVar[int]
    RELOAD_ERROR_FIELD_NUMBER: _ClassVar[int]
    CONCEPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    NAME_COUNT_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    ENCODER_FIELD_NUMBER: _ClassVar[int]
    RERANKER_FIELD_NUMBER: _ClassVar[int]
    name: str
    is_default: bool
    state: BundleState
    digest: str
    serve_time: _timestamp_pb2.Timestamp
    previous_digest: str
    reload_error: str
    concept_count: int
    name_count: int
    languages: _containers.RepeatedScalarFieldContainer[str]
    encoder: Model
    reranker: Model
    def __init__(self, name: _Optional[str] = ..., is_default: bool = ..., state: _Optional[_Union[BundleState, str]] = ..., digest: _Optional[str] = ..., serve_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., previous_digest: _Optional[str] = ..., reload_error: _Optional[str] = ..., concept_count: _Optional[int] = ..., name_count: _Optional[int] = ..., languages: _Optional[_Iterable[str]] = ..., encoder: _Optional[_Union[Model, _Mapping]] = ..., reranker: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class GetServerInfoResponse(_message.Message):
    __slots__ = ("server_version", "start_time", "uptime", "limits", "bundles", "workers", "queued_tokens")
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    UPTIME_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    BUNDLES_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    QUEUED_TOKENS_FIELD_NUMBER: _ClassVar[int]
    server_version: str
    start_time: _timestamp_pb2.Timestamp
    uptime: _duration_pb2.Duration
    limits: Limits
    bundles: _containers.RepeatedCompositeFieldContainer[Bundle]
    workers: int
    queued_tokens: int
    def __init__(self, server_version: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., uptime: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., bundles: _Optional[_Iterable[_Union[Bundle, _Mapping]]] = ..., workers: _Optional[int] = ..., queued_tokens: _Optional[int] = ...) -> None: ...

class ListBundlesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListBundlesResponse(_message.Message):
    __slots__ = ("bundles",)
    BUNDLES_FIELD_NUMBER: _ClassVar[int]
    bundles: _containers.RepeatedCompositeFieldContainer[Bundle]
    def __init__(self, bundles: _Optional[_Iterable[_Union[Bundle, _Mapping]]] = ...) -> None: ...

class ReloadBundleRequest(_message.Message):
    __slots__ = ("bundle", "bundle_digest")
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    bundle: str
    bundle_digest: str
    def __init__(self, bundle: _Optional[str] = ..., bundle_digest: _Optional[str] = ...) -> None: ...

class ReloadBundleResponse(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: Bundle
    def __init__(self, bundle: _Optional[_Union[Bundle, _Mapping]] = ...) -> None: ...

class RollBackBundleRequest(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: str
    def __init__(self, bundle: _Optional[str] = ...) -> None: ...

class RollBackBundleResponse(_message.Message):
    __slots__ = ("bundle",)
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    bundle: Bundle
    def __init__(self, bundle: _Optional[_Union[Bundle, _Mapping]] = ...) -> None: ...
