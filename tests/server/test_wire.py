from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from linker import wire
from linker.options import Options
from linker.pipeline import Linker
from linker.records import Candidate, Code, ConceptFilter, Link, MatchSource, Mention, NilReason, RerankMode
from linker.requests import read_link_request
from linker.v1.linking_service_pb2 import LinkMentionsResponse

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
candidates = st.builds(
    Candidate,
    concept=st.just(-1),
    concept_id=words,
    preferred_name=words,
    matched_name=words,
    term_type=st.sampled_from(["preferred", "fully_specified", "synonym", "related"]),
    source=st.sampled_from(MatchSource),
    similarity=st.floats(-1, 1),
    support=st.floats(-1, 1.2),
    semantic_types=st.lists(words, max_size=2).map(tuple),
    codes=st.lists(st.builds(Code, words, words, words, words), max_size=2).map(tuple),
    rerank_score=st.none() | st.floats(-20, 20),
    confidence=st.floats(0, 1),
    generalised_from=words,
)
matches = st.builds(
    Link, st.just(Mention("x")), st.lists(candidates, min_size=1, max_size=3).map(tuple), st.none(), st.booleans()
)
nils = st.builds(
    Link,
    st.just(Mention("x")),
    st.lists(candidates, max_size=3).map(tuple),
    st.sampled_from(NilReason),
    st.booleans(),
)


@given(st.lists(matches | nils, max_size=4))
def test_links_survive_the_wire(links: list[Link]) -> None:
    response = LinkMentionsResponse(results=[wire.result_message(link, "id") for link in links])
    received = LinkMentionsResponse.FromString(response.SerializeToString())
    assert wire.links_of(received, [Mention("x")] * len(links)) == links


@given(
    st.lists(st.sampled_from([Mention("a"), Mention("é", "b é c", 2, 3), Mention("😀", "x😀", 1, 2)]), min_size=1),
    st.builds(
        Options,
        top_k=st.integers(1, 100),
        filter=st.builds(ConceptFilter, *[st.frozensets(words, max_size=3)] * 3),
        rerank=st.sampled_from(RerankMode),
        min_confidence=st.none() | st.floats(0, 1),
        codes=st.lists(words, max_size=3).map(tuple),
        value_set=st.none() | st.frozensets(words.filter(bool), min_size=1, max_size=3),
        display_language=st.sampled_from(["", "es", "pt-BR"]),
    ),
)
def test_requests_survive_the_wire(mentions: list[Mention], options: Options) -> None:
    read = read_link_request(wire.link_request(mentions, options))
    assert read.mentions == tuple(mentions)
    assert read.options == options


def test_a_concept_is_shaped_after_fhir(linker: Linker) -> None:
    record = linker.bundle.terminology.concept("CLINIC:0003")
    message = wire.concept_response(linker.bundle.terminology, record)
    assert (message.concept.id, message.concept.system, message.concept.code) == ("CLINIC:0003", "", "0003")
    assert message.concept.display == "Myocardial infarction"
    assert [(c.vocabulary, c.code) for c in message.concept.codes] == [("DEMO", "H1"), ("OTHER", "77")]
    assert [name.term_type for name in message.names] == ["preferred", "preferred", "synonym", "synonym"]
    assert list(message.parent_ids) == ["CLINIC:0002"]


def test_a_known_prefix_has_its_system() -> None:
    link = Link(Mention("x"), (Candidate(0, "SNOMEDCT:1", "n", "n", "", MatchSource.EXACT, 1.0, 1.0),))
    concept = wire.result_message(link, "").match.candidates[0].concept
    assert (concept.system, concept.code) == ("http://snomed.info/sct", "1")
