from linker.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ConceptName(_message.Message):
    __slots__ = ("name", "language", "term_type", "source")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    TERM_TYPE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    language: str
    term_type: str
    source: str
    def __init__(self, name: _Optional[str] = ..., language: _Optional[str] = ..., term_type: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class GetConceptRequest(_message.Message):
    __slots__ = ("concept_id",)
    CONCEPT_ID_FIELD_NUMBER: _ClassVar[int]
    concept_id: str
    def __init__(self, concept_id: _Optional[str] = ...) -> None: ...

class GetConceptResponse(_message.Message):
    __slots__ = ("concept", "names", "definition", "parent_ids", "retired", "provenance")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    PARENT_IDS_FIELD_NUMBER: _ClassVar[int]
    RETIRED_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    concept: _common_pb2.Concept
    names: _containers.RepeatedCompositeFieldContainer[ConceptName]
    definition: str
    parent_ids: _containers.RepeatedScalarFieldContainer[str]
    retired: bool
    provenance: _common_pb2.Provenance
    def __init__(self, concept: _Optional[_Union[_common_pb2.Concept, _Mapping]] = ..., names: _Optional[_Iterable[_Union[ConceptName, _Mapping]]] = ..., definition: _Optional[str] = ..., parent_ids: _Optional[_Iterable[str]] = ..., retired: bool = ..., provenance: _Optional[_Union[_common_pb2.Provenance, _Mapping]] = ...) -> None: ...

class BatchGetConceptsRequest(_message.Message):
    __slots__ = ("concept_ids",)
    CONCEPT_IDS_FIELD_NUMBER: _ClassVar[int]
    concept_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, concept_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class BatchGetConceptsResponse(_message.Message):
    __slots__ = ("concepts", "provenance")
    CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    concepts: _containers.RepeatedCompositeFieldContainer[_common_pb2.Concept]
    provenance: _common_pb2.Provenance
    def __init__(self, concepts: _Optional[_Iterable[_Union[_common_pb2.Concept, _Mapping]]] = ..., provenance: _Optional[_Union[_common_pb2.Provenance, _Mapping]] = ...) -> None: ...

class SearchConceptsRequest(_message.Message):
    __slots__ = ("query", "page_size", "page_token")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    query: str
    page_size: int
    page_token: str
    def __init__(self, query: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class SearchConceptsResponse(_message.Message):
    __slots__ = ("concepts", "next_page_token", "provenance")
    CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    concepts: _containers.RepeatedCompositeFieldContainer[_common_pb2.Concept]
    next_page_token: str
    provenance: _common_pb2.Provenance
    def __init__(self, concepts: _Optional[_Iterable[_Union[_common_pb2.Concept, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., provenance: _Optional[_Union[_common_pb2.Provenance, _Mapping]] = ...) -> None: ...
