from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st

from linker import limits
from linker.options import Options
from linker.pipeline import Linker
from linker.records import Mention, NilReason, RerankMode
from linker.v1 import linking_service_pb2 as linking
from linker.wire import link_request, links_of, result_message

SURFACES = [
    "heart attack",
    "MI",
    "cold",
    "Diabetes",
    "hipertensión",
    "asma",
    "metformine",
    "chest  PAIN",
    "xyzzy",
    "  ",
]
ODD = ["", " \t\n", "a" * 1025, "a" * 1024, "😀", "e\u0301", "\u0301" * 900, "مرض القلب", "\0", "a\0b", "\ufdfa" * 1024]


def detail(error: grpc.RpcError, kind: Any) -> Any:
    """The detail of the error's google.rpc.Status; there is exactly one."""
    trailers = dict(error.trailing_metadata())
    status = Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    [packed] = status.details
    message = kind()
    assert packed.Unpack(message)
    return message


def results(response: linking.LinkMentionsResponse) -> list[bytes]:
    return [result.SerializeToString(deterministic=True) for result in response.results]


def test_the_same_as_in_process(served: Any, linker: Linker) -> None:
    mentions = [Mention(text) for text in SURFACES] + [Mention("MI", "acute MI today", 6, 8)]
    options = Options(top_k=3, min_confidence=0.4)
    response = served.linking.LinkMentions(link_request(mentions, options))
    expected = [
        result_message(link, "").SerializeToString(deterministic=True) for link in linker.link(mentions, options)
    ]
    assert results(response) == expected
    assert links_of(response, mentions)[-2].nil_reason is NilReason.NO_CANDIDATE


def test_provenance_and_timing(served: Any, linker: Linker) -> None:
    response = served.linking.LinkMentions(link_request([Mention("MI")], Options()))
    assert response.provenance.bundle_digest == linker.bundle.digest
    assert response.provenance.encoder_digest == linker.bundle.manifest.encoder.digest
    assert response.provenance.reranker_digest == ""
    timing = response.timing
    assert 0 < timing.encode_duration.ToNanoseconds() < timing.total_duration.ToNanoseconds()


def test_ids_come_back_in_order(served: Any) -> None:
    mentions = [{"text": text, "mention_id": f"id-{row}"} for row, text in enumerate(SURFACES * 20)]
    response = served.linking.LinkMentions(linking.LinkMentionsRequest(mentions=mentions))
    assert [result.mention_id for result in response.results] == [f"id-{row}" for row in range(len(mentions))]


def test_alone_or_in_a_batch_or_under_load(served: Any) -> None:
    mentions = [Mention(text) for text in SURFACES * 10]
    alone = [
        results(served.linking.LinkMentions(link_request([m], Options())))[0] for m in mentions[: len(SURFACES)]
    ] * 10
    together = results(served.linking.LinkMentions(link_request(mentions, Options())))
    assert together == alone
    with ThreadPoolExecutor(32) as pool:
        calls = list(pool.map(lambda m: served.linking.LinkMentions(link_request([m], Options())), mentions))
    assert [results(response)[0] for response in calls] == alone


def test_the_options_of_a_call_are_its_own(served: Any) -> None:
    def most(top_k: int) -> int:
        [result] = served.linking.LinkMentions(link_request([Mention("heart")], Options(top_k=top_k))).results
        return len(result.match.candidates) or len(result.no_match.candidates)

    wanted = [1 + row % 7 for row in range(70)]
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(most, wanted)) == wanted


@pytest.mark.parametrize("text", ODD)
def test_odd_mentions(served: Any, text: str) -> None:
    check_outcome(served, text)


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=1100))
def test_any_mention(served: Any, text: str) -> None:
    check_outcome(served, text)


def check_outcome(served: Any, text: str) -> None:
    message = linking.LinkMentionsRequest(mentions=[{"text": text, "mention_id": "7"}])
    try:
        [result] = served.linking.LinkMentions(message).results
    except grpc.RpcError as error:
        assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert [v.field for v in detail(error, BadRequest).field_violations] == ["mentions[0].text"]
        assert not 1 <= len(text) <= 1024
    else:
        assert 1 <= len(text) <= 1024
        assert result.mention_id == "7"
        assert result.WhichOneof("outcome")


def test_bad_fields_are_named(served: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        served.linking.LinkMentions(linking.LinkMentionsRequest(mentions=[{"text": ""}] * 500, options={"top_k": 101}))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert raised.value.details().startswith("options.top_k: expected 0 to 100")
    violations = detail(raised.value, BadRequest).field_violations
    assert [v.field for v in violations[:3]] == ["options.top_k", "mentions[0].text", "mentions[1].text"]
    assert len(violations) == 50


def test_the_longest_list_of_violations_fits_into_the_trailers(served: Any) -> None:
    wrong = {"text": "aa", "context": "é" * 8000, "context_span": {"begin": 2**31 - 1, "end": 2**31 - 1}}
    mentions = [{"text": "a"}] * 170 + [wrong] * 50
    with pytest.raises(grpc.RpcError) as raised:
        served.linking.LinkMentions(linking.LinkMentionsRequest(mentions=mentions))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(detail(raised.value, BadRequest).field_violations) == 50


def test_another_bundle_is_pinned(served: Any, linker: Linker) -> None:
    pinned = linking.LinkMentionsRequest(mentions=[{"text": "MI"}], options={"bundle_digest": linker.bundle.digest})
    assert len(served.linking.LinkMentions(pinned).results) == 1
    pinned.options.bundle_digest = "0" * 64
    with pytest.raises(grpc.RpcError) as raised:
        served.linking.LinkMentions(pinned)
    assert raised.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert linker.bundle.digest in raised.value.details()


def test_a_request_that_is_too_large(served: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        served.raw("/linker.v1.LinkingService/LinkMentions", bytes(limits.MAX_MESSAGE_BYTES + 1))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_response_that_is_too_large(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_MESSAGE_BYTES", 1000)
    with pytest.raises(grpc.RpcError) as raised:
        served.linking.LinkMentions(link_request([Mention("MI")] * 10, Options()))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "ask for fewer mentions" in raised.value.details()


class Gate:
    """Holds every batch until it is opened, and remembers what was linked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.linked: list[str] = []
        link_timed = Linker.link_timed

        def gated(linker: Linker, mentions: Any, options: Options) -> Any:
            mentions = list(mentions)
            self.linked += [mention.text for mention in mentions]
            self.entered.release()
            assert self.open.wait(10)
            return link_timed(linker, mentions, options)

        monkeypatch.setattr(Linker, "link_timed", gated)


@pytest.fixture
def gated(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Gate]:
    """A server with one worker, room for two short mentions that wait, and a gate before the worker."""
    running = start(workers=1, max_queued_tokens=6)
    return running, Gate(monkeypatch)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_full_queue(gated: tuple[Any, Gate]) -> None:
    running, gate = gated
    first = running.linking.LinkMentions.future(link_request([Mention("MI")], Options()))
    gate.entered.acquire()
    waiting = running.linking.LinkMentions.future(link_request([Mention("cold")] * 2, Options()))
    wait_for(lambda: running.server.batcher.queued == 6)
    with pytest.raises(grpc.RpcError) as raised:
        running.linking.LinkMentions(link_request([Mention("asma")], Options()))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert detail(raised.value, RetryInfo).retry_delay.ToMilliseconds() >= 50
    gate.open.set()
    assert len(first.result().results) == 1
    assert len(waiting.result().results) == 2


def test_after_its_deadline_a_call_is_not_linked(gated: tuple[Any, Gate]) -> None:
    running, gate = gated
    first = running.linking.LinkMentions.future(link_request([Mention("MI")], Options()))
    gate.entered.acquire()
    with pytest.raises(grpc.RpcError) as raised:
        running.linking.LinkMentions(link_request([Mention("late")], Options()), timeout=0.1)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    gone = running.linking.LinkMentions.future(link_request([Mention("gone")], Options()))
    wait_for(lambda: running.server.batcher.queued == 3)
    gone.cancel()
    wait_for(lambda: running.server.batcher.queued == 0)
    gate.open.set()
    first.result()
    running.linking.LinkMentions(link_request([Mention("after")], Options()))
    assert gate.linked == ["MI", "after"]


def test_a_call_without_a_deadline_gets_one(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    running = start(workers=1, default_timeout_s=0.1)
    gate = Gate(monkeypatch)
    first = running.linking.LinkMentions.future(link_request([Mention("MI")], Options()))
    gate.entered.acquire()
    late = running.linking.LinkMentions.future(link_request([Mention("late")], Options()))
    patient = running.linking.LinkMentions.future(link_request([Mention("patient")], Options()), timeout=60)
    wait_for(lambda: running.server.batcher.queued == 7)
    time.sleep(0.15)
    gate.open.set()
    assert late.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(first.result().results) == len(patient.result().results) == 1
    assert gate.linked == ["MI", "patient"]


def test_the_cross_encoder_is_asked_for_in_vain_without_one(served: Any) -> None:
    response = served.linking.LinkMentions(link_request([Mention("MI")], Options(rerank=RerankMode.ALWAYS)))
    [result] = response.results
    candidates = result.match.candidates or result.no_match.candidates
    assert not any(candidate.HasField("rerank_score") for candidate in candidates)


def refused(served: Any, **options: Any) -> BadRequest:
    with pytest.raises(grpc.RpcError) as raised:
        served.linking.LinkMentions(linking.LinkMentionsRequest(mentions=[{"text": "MI"}], options=options))
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    return detail(raised.value, BadRequest)


def test_codes_and_value_sets_as_in_process(served: Any, linker: Linker) -> None:
    mentions = [Mention(text) for text in SURFACES]
    for options in (
        Options(codes=("DEMO", "CLINIC")),
        Options(value_set=frozenset({"CLINIC:0002", "CLINIC:0006", "DEMO:R2"}), codes=("DEMO",)),
    ):
        response = served.linking.LinkMentions(link_request(mentions, options))
        expected = [
            result_message(link, "").SerializeToString(deterministic=True) for link in linker.link(mentions, options)
        ]
        assert results(response) == expected
    best = response.results[0].match.candidates[0]
    assert (best.concept.id, best.generalised_from) == ("CLINIC:0002", "CLINIC:0003")
    assert [(c.vocabulary, c.code) for c in best.concept.codes] == [("DEMO", "H0")]


def test_a_vocabulary_that_the_bundle_does_not_have(served: Any) -> None:
    [violation] = refused(served, codes=["DEMO", "ICD10CM"]).field_violations
    assert violation.field == "options.codes[1]"
    assert violation.description == "expected a vocabulary of this bundle: CLINIC, DEMO, OTHER"
    [violation] = refused(served, vocabularies=["ICD10CM"]).field_violations
    assert violation.field == "options.vocabularies"
    [violation] = refused(served, semantic_types=["disease"]).field_violations
    assert violation.field == "options.semantic_types"
    assert "disorder" in violation.description


def test_unknown_ids_of_a_value_set(served: Any) -> None:
    violations = refused(served, value_set=["CLINIC:0001", *(f"X:{n}" for n in range(60))]).field_violations
    assert [v.field for v in violations] == [f"options.value_set[{n}]" for n in range(1, 51)]
    assert [v.field for v in refused(served, value_set=["CLINIC:0001"] * 10_001).field_violations] == [
        "options.value_set"
    ]
    assert [v.field for v in refused(served, value_set=[""]).field_violations] == ["options.value_set[0]"]
