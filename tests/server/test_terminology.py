from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st

from linker.errors import InvalidInput
from linker.pipeline import Linker
from linker.server import services
from linker.server.paging import read_token, write_token
from linker.terminology import Terminology
from linker.v1 import terminology_service_pb2 as terminology
from linker.v1.admin_service_pb2 import GetServerInfoRequest

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def failure(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value.code(), raised.value.details()


def bad_field(call: Callable[[], object]) -> str:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    status = Status.FromString(dict(raised.value.trailing_metadata())["grpc-status-details-bin"])
    request = BadRequest()
    status.details[0].Unpack(request)
    return str(request.field_violations[0].field)


def test_one_concept(served: Any, linker: Linker) -> None:
    response = served.terminology.GetConcept(terminology.GetConceptRequest(concept_id="CLINIC:0008"))
    assert response.concept.display == "Type 2 diabetes mellitus"
    assert [name.term_type for name in response.names] == ["preferred", "synonym", "related"]
    assert not response.retired
    assert response.provenance.bundle_digest == linker.bundle.digest


def test_a_concept_that_is_not_there(served: Any) -> None:
    code, text = failure(lambda: served.terminology.GetConcept(terminology.GetConceptRequest(concept_id="CLINIC:9")))
    assert code is grpc.StatusCode.NOT_FOUND
    assert text == "concept_id: no such concept in this bundle"
    assert bad_field(lambda: served.terminology.GetConcept(terminology.GetConceptRequest())) == "concept_id"


def test_several_concepts_in_order(served: Any) -> None:
    ids = ["CLINIC:0009", "CLINIC:0001", "CLINIC:0009"] * 300
    response = served.terminology.BatchGetConcepts(terminology.BatchGetConceptsRequest(concept_ids=ids))
    assert [concept.id for concept in response.concepts] == ids


def test_several_concepts_or_none(served: Any) -> None:
    def get(*ids: str) -> object:
        return served.terminology.BatchGetConcepts(terminology.BatchGetConceptsRequest(concept_ids=ids))

    code, text = failure(lambda: get("CLINIC:0001", "CLINIC:9"))
    assert code is grpc.StatusCode.NOT_FOUND
    assert text.startswith("concept_ids[1]: ")
    assert bad_field(get) == "concept_ids"
    assert bad_field(lambda: get("a", "")) == "concept_ids[1]"


def pages(served: Any, query: str, size: int) -> list[list[str]]:
    found, token = [], ""
    while True:
        request = terminology.SearchConceptsRequest(query=query, page_size=size, page_token=token)
        response = served.terminology.SearchConcepts(request)
        found.append([concept.id for concept in response.concepts])
        token = response.next_page_token
        if not token:
            return found


@pytest.mark.parametrize("query", ["c", "C", "h", "m", "t", "hyp", "heart attack", "xyz", "---", "\0"])
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_have_every_result_once(served: Any, linker: Linker, query: str, size: int) -> None:
    found = pages(served, query, size)
    concepts = linker.bundle.terminology
    expected = [concepts.concept_id(concept) for _, concept in concepts.search(query, limit=1000)]
    assert sum(found, []) == expected
    assert all(len(page) == size for page in found[:-1])
    assert len(set(expected)) == len(expected)


def test_a_token_is_for_one_query(served: Any) -> None:
    def search(query: str, token: str) -> Any:
        request = terminology.SearchConceptsRequest(query=query, page_size=1, page_token=token)
        return served.terminology.SearchConcepts(request)

    token = search("h", "").next_page_token
    assert search("H ", token).concepts
    assert bad_field(lambda: search("c", token)) == "page_token"
    assert bad_field(lambda: search("h", token + "=")) == "page_token"
    assert bad_field(lambda: search("h", "é")) == "page_token"


@given(texts, st.integers(0, 2**31 - 1), texts, st.data())
@settings(max_examples=300)
def test_altered_tokens_are_refused(name: str, row: int, query: str, data: st.DataObject) -> None:
    where = {"query": query, "bundle_digest": "ab"}
    token = write_token((name, row), **where)
    assert read_token(token, **where) == (name, row)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda char: char != token[place]))
    for altered in (token[:place] + other + token[place + 1 :], token[:place] + other + token[place:], token[:place]):
        if altered != token:
            with pytest.raises(InvalidInput, match="^page_token: "):
                read_token(altered, **where)
    with pytest.raises(InvalidInput):
        read_token(token, query=query, bundle_digest="cd")


@given(texts)
def test_any_token_is_read_or_refused(token: str) -> None:
    with pytest.raises(InvalidInput, match="^page_token: "):
        read_token(token, query="a", bundle_digest="ab")


def test_too_many_look_ups(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    running = start()
    entered, gate = threading.Event(), threading.Event()
    search = Terminology.search

    def slow(*args: Any, **more: Any) -> Any:
        entered.set()
        assert gate.wait(10)
        return search(*args, **more)

    monkeypatch.setattr(Terminology, "search", slow)
    monkeypatch.setattr(services, "MAX_LOOKUPS_WAITING", 1)
    request = terminology.SearchConceptsRequest(query="h")
    first = running.terminology.SearchConcepts.future(request)
    assert entered.wait(10)
    assert failure(lambda: running.terminology.SearchConcepts(request))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    gate.set()
    assert first.result().concepts


def test_the_server_describes_itself(served: Any, linker: Linker) -> None:
    info = served.admin.GetServerInfo(GetServerInfoRequest())
    assert info.provenance.bundle_digest == linker.bundle.digest
    assert (info.concept_count, info.name_count) == (16, 27)
    assert list(info.languages) == ["en", "es"]
    assert info.limits.max_mentions_per_request == 1024
    assert info.limits.max_queued_mentions == served.server.settings.max_queued_mentions
    assert info.start_time.seconds > 1_700_000_000
    assert info.encoder
    assert info.reranker == ""
