from linker.v1 import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SearchMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEARCH_MODE_UNSPECIFIED: _ClassVar[SearchMode]
    SEARCH_MODE_PREFIX: _ClassVar[SearchMode]
    SEARCH_MODE_FUZZY: _ClassVar[SearchMode]

class CodeStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CODE_STATUS_UNSPECIFIED: _ClassVar[CodeStatus]
    CODE_STATUS_FOUND: _ClassVar[CodeStatus]
    CODE_STATUS_NOT_FOUND: _ClassVar[CodeStatus]
    CODE_STATUS_RETIRED: _ClassVar[CodeStatus]
SEARCH_MODE_UNSPECIFIED: SearchMode
SEARCH_MODE_PREFIX: SearchMode
SEARCH_MODE_FUZZY: SearchMode
CODE_STATUS_UNSPECIFIED: CodeStatus
CODE_STATUS_FOUND: CodeStatus
CODE_STATUS_NOT_FOUND: CodeStatus
CODE_STATUS_RETIRED: CodeStatus

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
    __slots__ = ("concept_id", "bundle", "bundle_digest")
    CONCEPT_ID_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    concept_id: str
    bundle: str
    bundle_digest: str
    def __init__(self, concept_id: _Optional[str] = ..., bundle: _Optional[str] = ..., bundle_digest: _Optional[str] = ...) -> None: ...

class Replacement(_message.Message):
    __slots__ = ("concept_id", "display", "relations")
    CONCEPT_ID_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_FIELD_NUMBER: _ClassVar[int]
    RELATIONS_FIELD_NUMBER: _ClassVar[int]
    concept_id: str
    display: str
    relations: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, concept_id: _Optional[str] = ..., display: _Optional[str] = ..., relations: _Optional[_Iterable[str]] = ...) -> None: ...

class GetConceptResponse(_message.Message):
    __slots__ = ("concept", "names", "definition", "parent_ids", "retired", "provenance", "replaced_by")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    DEFINITION_FIELD_NUMBER: _ClassVar[int]
    PARENT_IDS_FIELD_NUMBER: _ClassVar[int]
    RETIRED_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    REPLACED_BY_FIELD_NUMBER: _ClassVar[int]
    concept: _common_pb2.Concept
    names: _containers.RepeatedCompositeFieldContainer[ConceptName]
    definition: str
    parent_ids: _containers.RepeatedScalarFieldContainer[str]
    retired: bool
    provenance: _common_pb2.Provenance
    replaced_by: _containers.RepeatedCompositeFieldContainer[Replacement]
    def __init__(self, concept: _Optional[_Union[_common_pb2.Concept, _Mapping]] = ..., names: _Optional[_Iterable[_Union[ConceptName, _Mapping]]] = ..., definition: _Optional[str] = ..., parent_ids: _Optional[_Iterable[str]] = ..., retired: bool = ..., provenance: _Optional[_Union[_common_pb2.Provenance, _Mapping]] = ..., replaced_by: _Optional[_Iterable[_Union[Replacement, _Mapping]]] = ...) -> None: ...

class BatchGetConceptsRequest(_message.Message):
    __slots__ = ("concept_ids", "bundle", "bundle_digest")
    CONCEPT_IDS_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    concept_ids: _containers.RepeatedScalarFieldContainer[str]
    bundle: str
    bundle_digest: str
    def __init__(self, concept_ids: _Optional[_Iterable[str]] = ..., bundle: _Optional[str] = ..., bundle_digest: _Optional[str] = ...) -> None: ...

class BatchGetConceptsResponse(_message.Message):
    __slots__ = ("concepts", "provenance")
    CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    concepts: _containers.RepeatedCompositeFieldContainer[_common_pb2.Concept]
    provenance: _common_pb2.Provenance
    def __init__(self, concepts: _Optional[_Iterable[_Union[_common_pb2.Concept, _Mapping]]] = ..., provenance: _Optional[_Union[_common_pb2.Provenance, _Mapping]] = ...) -> None: ...

class SearchConceptsRequest(_message.Message):
    __slots__ = ("query", "page_size", "page_token", "mode", "bundle", "bundle_digest", "display_language")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    query: str
    page_size: int
    page_token: str
    mode: SearchMode
    bundle: str
    bundle_digest: str
    display_language: str
    def __init__(self, query: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., mode: _Optional[_Union[SearchMode, str]] = ..., bundle: _Optional[str] = ..., bundle_digest: _Optional[str] = ..., display_language: _Optional[str] = ...) -> None: ...

class SearchConceptsResponse(_message.Message):
    __slots__ = ("concepts", "next_page_token", "provenance")
    CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    concepts: _containers.RepeatedCompositeFieldContainer[_common_pb2.Concept]
    next_page_token: str
    provenance: _common_pb2.Provenance
    def __init__(self, concepts: _Optional[_Iterable[_Union[_common_pb2.Concept, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., provenance: _Optional[_Union[_common_pb2.Provenance, _Mapping]] = ...) -> None: ...

class ListAncestorsRequest(_message.Message):
    __slots__ = ("concept_id", "max_distance", "page_size", "page_token", "bundle", "bundle_digest")
    CONCEPT_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_DISTANCE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    concept_id: str
    max_distance: int
    page_size: int
    page_token: str
    bundle: str
    bundle_digest: str
    def __init__(self, concept_id: _Optional[str] = ..., max_distance: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., bundle: _Optional[str] = ..., bundle_digest: _Optional[str] = ...) -> None: ...

class ListAncestorsResponse(_message.Message):
    __slots__ = ("ancestors", "next_page_token", "total_size", "provenance")
    ANCESTORS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    ancestors: _containers.RepeatedCompositeFieldContainer[Relative]
    next_page_token: str
    total_size: int
    provenance: _common_pb2.Provenance
    def __init__(self, ancestors: _Optional[_Iterable[_Union[Relative, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., provenance: _Optional[_Union[_common_pb2.Provenance, _Mapping]] = ...) -> None: ...

class ListDescendantsRequest(_message.Message):
    __slots__ = ("concept_id", "max_distance", "page_size", "page_token", "bundle", "bundle_digest")
    CONCEPT_ID_FIELD_NUMBER: _ClassVar[int]
    MAX_DISTANCE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    concept_id: str
    max_distance: int
    page_size: int
    page_token: str
    bundle: str
    bundle_digest: str
    def __init__(self, concept_id: _Optional[str] = ..., max_distance: _Optional[int] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., bundle: _Optional[str] = ..., bundle_digest: _Optional[str] = ...) -> None: ...

class ListDescendantsResponse(_message.Message):
    __slots__ = ("descendants", "next_page_token", "total_size", "provenance")
    DESCENDANTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SIZE_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    descendants: _containers.RepeatedCompositeFieldContainer[Relative]
    next_page_token: str
    total_size: int
    provenance: _common_pb2.Provenance
    def __init__(self, descendants: _Optional[_Iterable[_Union[Relative, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total_size: _Optional[int] = ..., provenance: _Optional[_Union[_common_pb2.Provenance, _Mapping]] = ...) -> None: ...

class Relative(_message.Message):
    __slots__ = ("concept", "distance")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    DISTANCE_FIELD_NUMBER: _ClassVar[int]
    concept: _common_pb2.Concept
    distance: int
    def __init__(self, concept: _Optional[_Union[_common_pb2.Concept, _Mapping]] = ..., distance: _Optional[int] = ...) -> None: ...

class Coding(_message.Message):
    __slots__ = ("system", "code")
    SYSTEM_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    system: str
    code: str
    def __init__(self, system: _Optional[str] = ..., code: _Optional[str] = ...) -> None: ...

class MapCodesRequest(_message.Message):
    __slots__ = ("codings", "targets", "bundle", "bundle_digest")
    CODINGS_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    codings: _containers.RepeatedCompositeFieldContainer[Coding]
    targets: _containers.RepeatedScalarFieldContainer[str]
    bundle: str
    bundle_digest: str
    def __init__(self, codings: _Optional[_Iterable[_Union[Coding, _Mapping]]] = ..., targets: _Optional[_Iterable[str]] = ..., bundle: _Optional[str] = ..., bundle_digest: _Optional[str] = ...) -> None: ...

class MappedConcept(_message.Message):
    __slots__ = ("concept", "relation", "source", "confidence")
    CONCEPT_FIELD_NUMBER: _ClassVar[int]
    RELATION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    concept: _common_pb2.Concept
    relation: str
    source: str
    confidence: float
    def __init__(self, concept: _Optional[_Union[_common_pb2.Concept, _Mapping]] = ..., relation: _Optional[str] = ..., source: _Optional[str] = ..., confidence: _Optional[float] = ...) -> None: ...

class CodeMapping(_message.Message):
    __slots__ = ("coding", "status", "concepts", "truncated", "replaced_by")
    CODING_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CONCEPTS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    REPLACED_BY_FIELD_NUMBER: _ClassVar[int]
    coding: Coding
    status: CodeStatus
    concepts: _containers.RepeatedCompositeFieldContainer[MappedConcept]
    truncated: bool
    replaced_by: _containers.RepeatedCompositeFieldContainer[Replacement]
    def __init__(self, coding: _Optional[_Union[Coding, _Mapping]] = ..., status: _Optional[_Union[CodeStatus, str]] = ..., concepts: _Optional[_Iterable[_Union[MappedConcept, _Mapping]]] = ..., truncated: bool = ..., replaced_by: _Optional[_Iterable[_Union[Replacement, _Mapping]]] = ...) -> None: ...

class MapCodesResponse(_message.Message):
    __slots__ = ("mappings", "provenance")
    MAPPINGS_FIELD_NUMBER: _ClassVar[int]
    PROVENANCE_FIELD_NUMBER: _ClassVar[int]
    mappings: _containers.RepeatedCompositeFieldContainer[CodeMapping]
    provenance: _common_pb2.Provenance
    def __init__(self, mappings: _Optional[_Iterable[_Union[CodeMapping, _Mapping]]] = ..., provenance: _Optional[_Union[_common_pb2.Provenance, _Mapping]] = ...) -> None: ...
