from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from linker import ConceptFilter, Linker, Options
from linker.cache import Cache

MENTIONS = ["heart attack", "cold", "MI", "sugar disease", "", "hypertnesion", "a" * 2000]


def test_what_was_not_asked_for_longest_goes_first() -> None:
    cache: Cache[str, int] = Cache(3)
    cache.keep({"a": 1, "b": 2, "c": 3}, size=1)
    assert cache.known(["a"]) == {"a": 1}
    cache.keep({"d": 4}, size=1)
    assert cache.known("abcd") == {"a": 1, "c": 3, "d": 4}


def test_large_values_take_the_place_of_several_and_what_is_too_large_is_not_kept() -> None:
    cache: Cache[str, int] = Cache(3)
    cache.keep({"a": 1, "b": 2}, size=1)
    cache.keep({"c": 3}, size=2)
    assert cache.known("abc") == {"b": 2, "c": 3}
    cache.keep({"d": 4}, size=4)
    assert cache.known("abcd") == {"b": 2, "c": 3}


def test_no_answer_depends_on_what_is_remembered(linker: Linker) -> None:
    remembering = Linker(linker.bundle, cached=3)
    asked = [
        Options(),
        Options(top_k=1),
        Options(top_k=50),
        Options(filter=ConceptFilter(languages=frozenset({"es"}))),
        Options(filter=ConceptFilter(vocabularies=frozenset({"OTHER"}))),
    ]
    for options in asked * 2:
        for mentions in (MENTIONS, MENTIONS[::-1], MENTIONS[:2]):
            assert remembering.link(mentions, options) == linker.link(mentions, options)


def test_what_was_met_is_neither_encoded_nor_searched_for(linker: Linker) -> None:
    remembering = Linker(linker.bundle)
    assert remembering.link_timed(["cold", "Cold", "MI"], Options())[1].cached == 0
    assert remembering.link_timed(["COLD", "cold", "asthma"], Options())[1].cached == 2
    assert remembering.link_timed(["cold"], Options(top_k=500))[1].cached == 0
    assert linker.link_timed(["cold"], Options())[1].cached == linker.link_timed(["cold"], Options())[1].cached == 0


def test_threads_share_what_is_remembered(linker: Linker) -> None:
    remembering = Linker(linker.bundle, cached=2)
    expected = linker.link(MENTIONS)
    with ThreadPoolExecutor(8) as pool:
        assert all(links == expected for links in pool.map(remembering.link, [MENTIONS] * 40))
