"""What is counted grows with what has to be done."""

from __future__ import annotations

from linker.records import Mention
from linker.server.cost import annotate_request_cost, found_costs, link_request_cost, part_cost, token_costs
from linker.v1 import linking_service_pb2 as linking


def document(length: int, given: int | None = None, *, tagged: bool = False, **options: int) -> int:
    message = linking.Document(text="a" * length)
    if given is not None:
        message.given.SetInParent()
        message.given.spans.extend([linking.MentionSpan()] * given)
    return annotate_request_cost(linking.AnnotateDocumentsRequest(documents=[message], options=options), tagged=tagged)


def test_a_long_context_costs() -> None:
    """It is looked through for abbreviations, whatever it holds."""
    [bare, short, long] = token_costs([Mention("MI"), Mention("MI", "(" * 100), Mention("MI", "(" * 8192)])
    assert bare == short < long


def test_reranking_costs_the_pairs() -> None:
    mentions = [Mention("MI", "an MI in 2019")]
    assert token_costs(mentions, reranked=True)[0] > 12 * token_costs(mentions)[0]
    assert found_costs(mentions, reranked=True)[0] > 12 * found_costs(mentions)[0]


def test_a_document_costs_its_reading_and_the_mentions_expected() -> None:
    assert document(0) == part_cost(0) == 1
    assert document(10_000) > part_cost(10_000)
    assert document(10_000, given=0) == part_cost(10_000)
    assert document(0, given=5) > document(0, given=4)
    assert document(10_000, tagged=True) > 2 * document(10_000)  # a model reads it
    assert document(10_000, given=0, tagged=True) == document(10_000, given=0)
    assert document(10_000, rerank_mode=linking.RERANK_MODE_ALWAYS) > 10 * document(10_000)


def test_requests_that_are_refused_anyway_are_not_counted_whole() -> None:
    mentions = linking.LinkMentionsRequest(mentions=[{"text": "a"}] * 5000)
    assert link_request_cost(mentions) == 1024 * token_costs([Mention("a")])[0]
    documents = linking.AnnotateDocumentsRequest(documents=[{}] * 5000)
    assert annotate_request_cost(documents) == 256
