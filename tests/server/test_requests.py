from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linker.records import Mention, RerankMode
from linker.requests import (
    check_codings,
    check_concept,
    check_concepts,
    check_reload,
    read_link_request,
    read_page_size,
    read_relatives_page_size,
)
from linker.v1 import linking_service_pb2 as linking
from linker.v1.admin_service_pb2 import ReloadBundleRequest
from linker.v1.terminology_service_pb2 import (
    BatchGetConceptsRequest,
    GetConceptRequest,
    ListAncestorsRequest,
    MapCodesRequest,
    SearchConceptsRequest,
)
from linker.violations import InvalidRequest

UNITS = {
    linking.OFFSET_UNIT_UNSPECIFIED: len,
    linking.OFFSET_UNIT_CODE_POINT: len,
    linking.OFFSET_UNIT_UTF16: lambda text: len(text.encode("utf-16-le")) // 2,
    linking.OFFSET_UNIT_UTF8: lambda text: len(text.encode()),
}
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def request(*mentions: dict, unit: int = 0, **options: object) -> linking.LinkMentionsRequest:
    chosen = mentions or ({"text": "a"},)
    return linking.LinkMentionsRequest(mentions=chosen, options=options, offset_unit=unit)


def fields(message: linking.LinkMentionsRequest) -> list[str]:
    with pytest.raises(InvalidRequest) as raised:
        read_link_request(message)
    return [violation.field for violation in raised.value.violations]


def span(begin: int, end: int) -> linking.TextSpan:
    return linking.TextSpan(begin=begin, end=end)


def test_defaults() -> None:
    read = read_link_request(request({"text": "MI", "mention_id": "7"}))
    assert read.mentions == (Mention("MI"),)
    assert read.ids == ("7",)
    assert read.options.top_k == 5
    assert read.options.rerank is RerankMode.AUTO
    assert read.options.min_confidence is None
    assert not read.options.filter


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (linking.LinkMentionsRequest(), "mentions"),
        (request(*[{"text": "a"}] * 1025), "mentions"),
        (request({"text": ""}), "mentions[0].text"),
        (request({"text": "a"}, {"text": "a" * 1025}), "mentions[1].text"),
        (request({"text": "a", "context": "a" * 8193}), "mentions[0].context"),
        (request({"text": "a", "mention_id": "i" * 65}), "mentions[0].mention_id"),
        (request({"text": "a", "context_span": span(0, 1)}), "mentions[0].context_span"),
        (request({"text": "a", "context": "ab", "context_span": span(1, 2)}), "mentions[0].context_span"),
        (request({"text": "a", "context": "ab", "context_span": span(0, 0)}), "mentions[0].context_span"),
        (request({"text": "a", "context": "ab", "context_span": span(-1, 1)}), "mentions[0].context_span"),
        (request({"text": "a", "context": "ab", "context_span": span(1, 3)}), "mentions[0].context_span"),
        (request(unit=9), "offset_unit"),
        (request(top_k=-1), "options.top_k"),
        (request(top_k=101), "options.top_k"),
        (request(rerank_mode=4), "options.rerank_mode"),
        (request(min_confidence=math.nan), "options.min_confidence"),
        (request(min_confidence=1.01), "options.min_confidence"),
        (request(min_confidence=-0.01), "options.min_confidence"),
        (request(bundle_digest="0" * 65), "options.bundle_digest"),
        (request(semantic_types=["x"] * 65), "options.semantic_types"),
        (request(vocabularies=["x"] * 65), "options.vocabularies"),
        (request(languages=["x"] * 65), "options.languages"),
        (request(codes=["x"] * 65), "options.codes"),
        (request(codes=["x", "x" * 129]), "options.codes[1]"),
        (request(value_set=["x"] * 10_001), "options.value_set"),
        (request(value_set=["x", ""]), "options.value_set[1]"),
        (request(value_set=["x" * 129]), "options.value_set[0]"),
        (request(semantic_types=["x", "x" * 129]), "options.semantic_types[1]"),
    ],
)
def test_a_bad_field_is_named(message: linking.LinkMentionsRequest, field: str) -> None:
    assert fields(message) == [field]


def test_limits_themselves_are_accepted() -> None:
    largest = {"text": "a" * 1024, "context": "a" * 8192, "mention_id": "i" * 64, "context_span": span(0, 1024)}
    read = read_link_request(
        request(*[largest] * 1024, top_k=100, min_confidence=0.0, bundle_digest="0" * 64, languages=["x" * 128] * 64)
    )
    assert len(read.mentions) == 1024
    assert read.options.min_confidence == 0.0


def test_all_bad_fields_are_named_up_to_fifty() -> None:
    assert fields(request({"text": ""}, {"text": "b" * 2000}, top_k=-1)) == [
        "options.top_k",
        "mentions[0].text",
        "mentions[1].text",
    ]
    assert len(fields(request(*[{"text": ""}] * 1000))) == 50


@pytest.mark.parametrize("unit", UNITS)
@given(before=texts, text=texts.filter(bool), after=texts)
def test_spans_in_any_unit_become_code_points(unit: int, before: str, text: str, after: str) -> None:
    length = UNITS[unit]
    place = span(length(before), length(before + text))
    read = read_link_request(
        request({"text": text, "context": before + text + after, "context_span": place}, unit=unit)
    )
    assert read.mentions == (Mention(text, before + text + after, len(before), len(before + text)),)
    read.mentions[0].check()


@pytest.mark.parametrize(
    ("unit", "begin", "end", "field"),
    [
        (linking.OFFSET_UNIT_UTF16, 1, 2, "begin"),
        (linking.OFFSET_UNIT_UTF16, 0, 1, "end"),
        (linking.OFFSET_UNIT_UTF8, 0, 3, "end"),
        (linking.OFFSET_UNIT_UTF8, 2, 4, "begin"),
    ],
)
def test_a_place_inside_a_character_is_refused(unit: int, begin: int, end: int, field: str) -> None:
    mention = {"text": "😀", "context": "😀", "context_span": span(begin, end)}
    assert fields(request(mention, unit=unit)) == [f"mentions[0].context_span.{field}"]


@given(
    st.builds(
        linking.Mention,
        text=st.text(st.characters(exclude_categories=["Cs"])),
        context=st.text(st.characters(exclude_categories=["Cs"])),
        context_span=st.builds(
            linking.TextSpan, begin=st.integers(-(2**31), 2**31 - 1), end=st.integers(-(2**31), 2**31 - 1)
        ),
    ),
    st.integers(-(2**31), 2**31 - 1),
)
def test_whatever_comes_is_read_or_refused_with_a_path(mention: linking.Mention, unit: int) -> None:
    try:
        read = read_link_request(linking.LinkMentionsRequest(mentions=[mention], offset_unit=unit))
    except InvalidRequest as error:
        assert all(v.field.startswith(("mentions[0].", "offset_unit")) for v in error.violations)
    else:
        read.mentions[0].check()


def test_violations_hold_no_text_of_the_request() -> None:
    marker = "Zyx987"
    mention = {"text": marker * 200, "context": marker, "mention_id": marker * 20, "context_span": span(0, 3)}
    message = request(mention, bundle_digest=marker * 20, semantic_types=[marker * 99], vocabularies=[marker * 99])
    with pytest.raises(InvalidRequest) as raised:
        read_link_request(message)
    assert len(raised.value.violations) >= 5
    assert marker not in str(raised.value) + str(raised.value.violations)


def test_concept_ids() -> None:
    def one(concept_id: str) -> None:
        check_concept(GetConceptRequest(concept_id=concept_id))

    def several(*concept_ids: str) -> None:
        check_concepts(BatchGetConceptsRequest(concept_ids=concept_ids))

    one("A:1")
    several(*["A:1"] * 1000)
    for bad in ("", "A" * 129):
        with pytest.raises(InvalidRequest, match="^concept_id: "):
            one(bad)
        with pytest.raises(InvalidRequest, match=r"^concept_ids\[1\]: "):
            several("A:1", bad)
    for many in ([], ["A:1"] * 1001):
        with pytest.raises(InvalidRequest, match="^concept_ids: "):
            several(*many)


@pytest.mark.parametrize("field", ["bundle", "bundle_digest"])
def test_every_request_checks_the_bundle_it_asks_for(field: str) -> None:
    wrong = {field: "x" * 65}
    for read, message in (
        (check_concept, GetConceptRequest(concept_id="A:1", **wrong)),
        (check_concepts, BatchGetConceptsRequest(concept_ids=["A:1"], **wrong)),
        (read_page_size, SearchConceptsRequest(query="a", **wrong)),
        (read_relatives_page_size, ListAncestorsRequest(concept_id="A:1", **wrong)),
        (check_codings, MapCodesRequest(codings=[{"code": "1"}], **wrong)),
        (check_reload, ReloadBundleRequest(**wrong)),
    ):
        with pytest.raises(InvalidRequest, match=f"^{field}: expected 0 to 64 characters, got 65"):
            read(message)  # type: ignore[operator]
    assert fields(request(**wrong)) == [f"options.{field}"]


def test_page_size() -> None:
    assert read_page_size(SearchConceptsRequest(query="a")) == 20
    assert read_page_size(SearchConceptsRequest(query="a", page_size=7)) == 7
    assert read_page_size(SearchConceptsRequest(query="a", page_size=1000)) == 100
    with pytest.raises(InvalidRequest, match="^page_size: "):
        read_page_size(SearchConceptsRequest(query="a", page_size=-1))
    for query in ("", "a" * 1025):
        with pytest.raises(InvalidRequest, match="^query: "):
            read_page_size(SearchConceptsRequest(query=query))
    with pytest.raises(InvalidRequest, match="^page_token: "):
        read_page_size(SearchConceptsRequest(query="a", page_token="t" * 20_000))
