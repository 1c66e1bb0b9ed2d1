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

from linker.annotation import Annotator
from linker.errors import InvalidInput
from linker.options import Options
from linker.pipeline import Linker
from linker.records import RerankMode
from linker.server import lookups
from linker.server.paging import read_token, write_token
from linker.server.snapshot import Snapshot
from linker.terminology import Terminology
from linker.v1 import terminology_service_pb2 as terminology
from linker.v1.admin_service_pb2 import BUNDLE_STATE_SERVING, GetServerInfoRequest
from linker.wire import provenance_message
from ontologies.build import build
from ontologies.records import Code, Concept, Name, Release, Replacement, Source
from ontologies.starter import ENCODER

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


def near(served: Any, query: str, size: int) -> list[list[str]]:
    """Pages of a fuzzy search."""
    found, token = [], ""
    while True:
        request = terminology.SearchConceptsRequest(
            query=query, page_size=size, page_token=token, mode=terminology.SEARCH_MODE_FUZZY
        )
        response = served.terminology.SearchConcepts(request)
        found.append([concept.id for concept in response.concepts])
        token = response.next_page_token
        if not token:
            return found


@pytest.mark.parametrize(
    ("query", "wanted"),
    [("asthmma", "CLINIC:0015"), ("mellitus diabetes type 2", "CLINIC:0008"), ("hart atack", "CLINIC:0003")],
)
def test_a_name_nearly_so_is_found(served: Any, query: str, wanted: str) -> None:
    assert pages(served, query, 10) == [[]]
    assert wanted in near(served, query, 3)[0]


@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_pages_of_near_names_have_every_concept_once(served: Any, linker: Linker, size: int) -> None:
    found = near(served, "hart atack", size)
    best = [
        c.concept_id for c in linker.link(["hart atack"], Options(top_k=1000, rerank=RerankMode.NEVER))[0].candidates
    ]
    assert sum(found, []) == best
    assert len(best) == len(set(best)) == 16
    assert all(len(page) == size for page in found[:-1])


def test_a_token_is_for_one_mode(served: Any) -> None:
    def search(mode: Any, token: str = "") -> Any:
        request = terminology.SearchConceptsRequest(query="h", page_size=1, page_token=token, mode=mode)
        return served.terminology.SearchConcepts(request)

    prefix, fuzzy = terminology.SEARCH_MODE_PREFIX, terminology.SEARCH_MODE_FUZZY
    assert bad_field(lambda: search(fuzzy, search(prefix).next_page_token)) == "page_token"
    assert bad_field(lambda: search(prefix, search(fuzzy).next_page_token)) == "page_token"
    assert bad_field(lambda: search(99)) == "mode"
    assert near(served, "---", 5) == [[]]


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
    monkeypatch.setattr(lookups, "MAX_WAITING", 1)
    request = terminology.SearchConceptsRequest(query="h")
    first = running.terminology.SearchConcepts.future(request)
    assert entered.wait(10)
    assert failure(lambda: running.terminology.SearchConcepts(request))[0] is grpc.StatusCode.RESOURCE_EXHAUSTED
    gate.set()
    assert first.result().concepts


def test_the_server_describes_itself(served: Any, linker: Linker) -> None:
    info = served.admin.GetServerInfo(GetServerInfoRequest())
    [bundle] = info.bundles
    assert (bundle.name, bundle.digest, bundle.is_default) == ("clinic", linker.bundle.digest, True)
    assert bundle.state == BUNDLE_STATE_SERVING
    assert (bundle.concept_count, bundle.name_count) == (16, 27)
    assert list(bundle.languages) == ["en", "es"]
    assert bundle.encoder.digest == linker.bundle.manifest.encoder.digest
    assert not bundle.HasField("reranker")
    assert info.limits.max_mentions_per_request == 1024
    assert info.limits.max_queued_tokens == served.server.settings.max_queued_tokens
    assert info.limits.default_timeout.seconds == 60
    assert info.start_time.seconds > 1_700_000_000
    assert info.uptime.ToNanoseconds() > 0
    assert info.workers == 2


def relatives(
    served: Any, down: bool, concept_id: str, size: int = 0, distance: int = 0
) -> list[list[tuple[int, str]]]:
    """Pages of (distance, id)."""
    found, token = [], ""
    while True:
        kind = terminology.ListDescendantsRequest if down else terminology.ListAncestorsRequest
        request = kind(concept_id=concept_id, page_size=size, page_token=token, max_distance=distance)
        response = (served.terminology.ListDescendants if down else served.terminology.ListAncestors)(request)
        page = response.descendants if down else response.ancestors
        found.append([(relative.distance, relative.concept.id) for relative in page])
        token = response.next_page_token
        if not token:
            assert response.total_size == sum(map(len, found))
            return found


def test_what_is_above_and_below(served: Any) -> None:
    assert relatives(served, False, "CLINIC:0003") == [[(1, "CLINIC:0002"), (2, "CLINIC:0001")]]
    assert relatives(served, False, "CLINIC:0003", distance=1) == [[(1, "CLINIC:0002")]]
    assert relatives(served, False, "CLINIC:0001") == relatives(served, True, "CLINIC:0003") == [[]]
    [below] = relatives(served, True, "CLINIC:0001")
    assert below == sorted(below)
    assert len(below) == 12
    assert (2, "CLINIC:0003") in below


@pytest.mark.parametrize("size", [1, 5, 12, 13, 2000])
def test_pages_of_relatives_have_every_one_once(served: Any, size: int) -> None:
    pages_ = relatives(served, True, "CLINIC:0001", size)
    assert sum(pages_, []) == relatives(served, True, "CLINIC:0001")[0]
    assert all(len(page) == size for page in pages_[:-1])


def test_bad_requests_for_relatives(served: Any) -> None:
    def below(**fields: Any) -> Any:
        return served.terminology.ListDescendants(terminology.ListDescendantsRequest(**fields))

    assert failure(lambda: below(concept_id="CLINIC:9"))[0] is grpc.StatusCode.NOT_FOUND
    assert bad_field(below) == "concept_id"
    assert bad_field(lambda: below(concept_id="CLINIC:0001", max_distance=-1)) == "max_distance"
    assert bad_field(lambda: below(concept_id="CLINIC:0001", page_size=-1)) == "page_size"
    token = below(concept_id="CLINIC:0001", page_size=1).next_page_token
    assert below(concept_id="CLINIC:0001", page_size=2, page_token=token).descendants
    assert bad_field(lambda: below(concept_id="CLINIC:0002", page_token=token)) == "page_token"
    assert bad_field(lambda: below(concept_id="CLINIC:0001", max_distance=1, page_token=token)) == "page_token"
    above = terminology.ListAncestorsRequest(concept_id="CLINIC:0001", page_token=token)
    assert bad_field(lambda: served.terminology.ListAncestors(above)) == "page_token"


def mapped(served: Any, *codings: tuple[str, str], targets: tuple[str, ...] = ()) -> Any:
    given = [terminology.Coding(system=system, code=code) for system, code in codings]
    return served.terminology.MapCodes(terminology.MapCodesRequest(codings=given, targets=targets)).mappings


def test_codes_are_mapped_both_ways(served: Any) -> None:
    codings = [("CLINIC", "0003"), ("DEMO", "H1"), ("DEMO", "R1"), ("OTHER", "99"), ("http://example.org/DEMO|2", "H1")]
    own, other, broad, unknown, uri = mapped(served, *codings, targets=("OTHER", "CLINIC"))
    assert own.concepts[0].relation == "skos:exactMatch"
    for mapping in (own, other, uri):
        assert mapping.status == terminology.CODE_STATUS_FOUND
        [found] = mapping.concepts
        assert found.concept.id == "CLINIC:0003"
        assert [(c.vocabulary, c.code, c.relation) for c in found.concept.codes] == [
            ("CLINIC", "0003", "skos:exactMatch"),
            ("OTHER", "77", "skos:exactMatch"),
        ]
        assert all(c.source for c in found.concept.codes)
    assert [(c.concept.id, c.relation) for c in broad.concepts] == [("CLINIC:0005", "skos:broadMatch")]
    assert broad.concepts[0].source
    assert unknown.status == terminology.CODE_STATUS_NOT_FOUND
    assert not unknown.concepts
    assert [(m.coding.system, m.coding.code) for m in (own, other, broad, unknown, uri)] == codings


def test_without_targets_every_code_comes(served: Any) -> None:
    [mapping] = mapped(served, ("OTHER", "77"))
    assert [c.vocabulary for c in mapping.concepts[0].concept.codes] == ["CLINIC", "DEMO", "OTHER"]


def test_bad_requests_for_codes(served: Any) -> None:
    assert bad_field(lambda: mapped(served)) == "codings"
    assert bad_field(lambda: mapped(served, *[("DEMO", "H1")] * 1001)) == "codings"
    assert bad_field(lambda: mapped(served, ("DEMO", "H1"), ("DEMO", ""))) == "codings[1].code"
    assert bad_field(lambda: mapped(served, ("D" * 129, "H1"))) == "codings[0].system"
    assert bad_field(lambda: mapped(served, ("DEMO", "H1"), targets=("OTHER", "NOPE"))) == "targets[1]"
    text = failure(lambda: mapped(served, ("DEMO", "H1"), targets=("NOPE",)))[1]
    assert text == "targets[0]: expected a vocabulary of this bundle: CLINIC, DEMO, OTHER"
    assert len(mapped(served, *[("DEMO", "H1")] * 1000)) == 1000


@given(st.lists(st.tuples(texts, texts.filter(bool)), min_size=1, max_size=5))
@settings(max_examples=50)
def test_no_code_is_an_error_of_the_call(served: Any, codings: list[tuple[str, str]]) -> None:
    assert len(mapped(served, *codings)) == len(codings)


@pytest.fixture(scope="module")
def retired_snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Of concepts A:1 and A:2, with A:0 retired for A:2, O:1 merged into A:1, and 150 concepts of one code."""
    records: list[Any] = [
        Replacement(concept_id="A:0", replaced_by="A:2", relation="SAME_AS"),
        Replacement(concept_id="O:1", replaced_by="A:1", relation="SY"),
        Code(concept_id="A:0", system="S", code="gone"),
    ]
    for n in range(150):
        records += [Concept(concept_id=f"A:{n}", retired=n == 0), Name(concept_id=f"A:{n}", name=f"name {n}")]
        records.append(Code(concept_id=f"A:{n}", system="S", code="all", relation="skos:broadMatch"))
    out = tmp_path_factory.mktemp("bundles") / "retired"
    build([Source(path="a", releases=(Release(source="A"),), records=records)], out, encoder=ENCODER)
    opened = Linker.open(out)
    return Snapshot(Annotator(opened), provenance_message(opened.bundle, "0"))


@pytest.fixture
def with_retired(start: Callable[..., Any], retired_snapshot: Snapshot) -> Any:
    running = start(opened=False)
    running.serve(retired_snapshot)
    return running


def test_a_retired_concept_says_what_replaced_it(with_retired: Any) -> None:
    for concept_id, replaced_by in (("A:0", ("A:2", "name 2", ["SAME_AS"])), ("O:1", ("A:1", "name 1", ["SY"]))):
        response = with_retired.terminology.GetConcept(terminology.GetConceptRequest(concept_id=concept_id))
        assert response.retired
        assert response.concept.id == concept_id
        [found] = response.replaced_by
        assert (found.concept_id, found.display, list(found.relations)) == replaced_by
        assert response.provenance.bundle_digest
    batch = terminology.BatchGetConceptsRequest(concept_ids=["A:1", "O:1"])
    text = failure(lambda: with_retired.terminology.BatchGetConcepts(batch))[1]
    assert text == "concept_ids[1]: no such concept in this bundle; it was replaced by A:1"


def test_a_retired_code_says_what_replaced_it(with_retired: Any) -> None:
    own, merged, coded, everyone = mapped(with_retired, ("A", "0"), ("O", "1"), ("S", "gone"), ("S", "all"))
    for mapping, successor in ((own, "A:2"), (merged, "A:1"), (coded, "A:2")):
        assert mapping.status == terminology.CODE_STATUS_RETIRED
        assert not mapping.concepts
        assert [r.concept_id for r in mapping.replaced_by] == [successor]
    assert (len(everyone.concepts), everyone.truncated, everyone.status) == (100, True, terminology.CODE_STATUS_FOUND)
    assert "A:0" not in {c.concept.id for c in everyone.concepts}
