from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import linker as public
from linker import ConceptFilter, InvalidInput, Link, Linker, MatchSource, Mention, NilReason, Options
from linker.surface import normalise

texts = st.one_of(st.sampled_from(["heart attack", "MI", "cold", "Asma", "broken thigh", "type 2 diabetes"]), st.text())


def test_the_public_face_is_sorted_and_whole() -> None:
    assert public.__all__ == sorted(public.__all__)
    assert all(hasattr(public, name) for name in public.__all__)


@settings(max_examples=60, deadline=None)
@given(st.lists(texts, max_size=12))
def test_any_text_gets_one_link_in_order_the_same_alone(linker: Linker, mentions: list[str]) -> None:
    links = linker.link(mentions)
    assert [link.mention.text for link in links] == mentions
    for mention, link in zip(mentions, links, strict=True):
        assert link == linker.link([mention])[0]
        assert (link.nil_reason is NilReason.NO_CANDIDATE) == (not normalise(mention))
        assert len(link.candidates) == (5 if normalise(mention) else 0)


def test_links_do_not_depend_on_concurrency(linker: Linker) -> None:
    mentions = ["heart attack", "sugar disease", "cold", "hypertensive", "femur broken"] * 5
    expected = linker.link(mentions)
    with ThreadPoolExecutor(8) as pool:
        assert all(links == expected for links in pool.map(linker.link, [mentions] * 24))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "\x00",
        "\t\n",
        "---",
        "😀",
        "e\u0301\u0301\u0301",
        "\u200f\u05d0\u05d1",
        "\ud800",
        "a" * 10_240,
        "heart " * 2000,
        "心臓発作",
    ],
    ids=[
        "empty",
        "spaces",
        "NUL",
        "tab",
        "dashes",
        "emoji",
        "combining",
        "RTL",
        "surrogate",
        "10 kB",
        "long",
        "Japanese",
    ],
)
def test_odd_text_is_linked_or_nil(linker: Linker, text: str) -> None:
    link = linker.link([text])[0]
    assert isinstance(link, Link)
    assert link.mention.text == text
    assert link.truncated == (text.count(" ") > 128)


def test_a_name_finds_its_concept_whatever_its_case_and_punctuation(linker: Linker) -> None:
    for text in ("Heart attack", "HEART ATTACK", "heart-attack", " heart  attack. "):
        link = linker.link([text])[0]
        assert link.concept is not None
        assert (link.concept.concept_id, link.concept.source) == ("CLINIC:0003", MatchSource.EXACT)


def test_a_shared_name_is_ambiguous(linker: Linker) -> None:
    link = linker.link(["MI"])[0]
    assert link.concept is None
    assert link.nil_reason is NilReason.AMBIGUOUS
    assert {c.concept_id for c in link.candidates[:2]} == {"CLINIC:0003", "CLINIC:0004"}
    assert link.candidates[0].confidence == pytest.approx(link.candidates[1].confidence)


def test_a_filter_can_tell_a_shared_name_apart(linker: Linker) -> None:
    options = Options(filter=ConceptFilter(semantic_types=frozenset({"finding"})))
    link = linker.link(["cold"], options)[0]
    assert link.concept is not None
    assert link.concept.concept_id == "CLINIC:0006"


def test_a_filter_that_leaves_nothing_says_so(linker: Linker) -> None:
    options = Options(filter=ConceptFilter(languages=frozenset({"fr"})))
    assert linker.link(["cold"], options)[0].nil_reason is NilReason.NO_CANDIDATE


def test_codes_come_with_the_concept(linker: Linker) -> None:
    concept = linker.link(["infarto de miocardio"])[0].concept
    assert concept is not None
    assert {(c.system, c.code) for c in concept.codes} == {("DEMO", "H1"), ("OTHER", "77")}


@given(st.floats(0, 1))
@settings(deadline=None)
def test_nil_follows_the_threshold_asked_for(linker: Linker, threshold: float) -> None:
    for link in linker.link(["heart attak", "MI", "asthma"], Options(min_confidence=threshold)):
        assert (link.nil_reason is None) == (link.candidates[0].confidence >= threshold)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (Options(top_k=0), "top_k"),
        (Options(top_k=1001), "top_k"),
        (Options(min_confidence=1.1), "min_confidence"),
        (Options(min_confidence=float("nan")), "min_confidence"),
    ],
)
def test_options_out_of_range_name_the_field(linker: Linker, options: Options, field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        linker.link(["cold"], options)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "mention",
    [
        Mention("cold", "a cold day", 2, None),
        Mention("cold", "a cold day", -1, 6),
        Mention("cold", "a cold day", 6, 2),
        Mention("cold", "a cold day", 2, 99),
        Mention("cold", "a cold day", 0, 4),
        Mention("cold", "", 0, 4),
    ],
)
def test_a_place_that_is_not_the_mentions_names_the_field(linker: Linker, mention: Mention) -> None:
    with pytest.raises(InvalidInput) as caught:
        linker.link(["asthma", mention])
    assert caught.value.field == "mentions[1].begin"
    assert "cold" not in str(caught.value)


def test_a_context_without_a_reranker_changes_nothing(linker: Linker) -> None:
    alone, placed = linker.link(["cold", Mention("cold", "a cold day", 2, 6)])
    assert replace(placed, mention=alone.mention) == alone
