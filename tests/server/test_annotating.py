"""AnnotateDocuments: what `Annotator` gives in the process, for any documents, cut into work that others can pass."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from hypothesis import given, settings
from hypothesis import strategies as st

from linker import limits
from linker.annotation import Annotator
from linker.assertion import Triggers
from linker.detection.detector import Span
from linker.detection.given import GivenDetector
from linker.documents import annotate_request, annotated_mention_message, annotated_note, document_message
from linker.errors import InvalidInput
from linker.notes import Note
from linker.offsets import Offsets, OffsetUnit
from linker.options import Options
from linker.pipeline import Linker
from linker.records import ConceptFilter, Mention
from linker.rules import TRIGGERS
from linker.sections import Headers
from linker.v1 import linking_service_pb2 as linking
from linker.wire import link_request

WAIT_S = 20.0
NOTE = (
    "PMH: asthma\r\nHPI:\tno chest pain \U0001f600, possible heart attack. Type 2 diabetes mellitus (TD).\r\n\r\n"
    "FH: type 1 or 2 diabetes mellitus, TD\r\n\n[**Asthma**] & MI\r\n"
)
LONG = (
    "\n\n".join(f"{n}. No asthma, known MI; TD and heart attack, metformin \U0001f600 {n}." for n in range(300)) + NOTE
)
UNITS = {
    linking.OFFSET_UNIT_UNSPECIFIED: OffsetUnit.CODE_POINTS,
    linking.OFFSET_UNIT_CODE_POINT: OffsetUnit.CODE_POINTS,
    linking.OFFSET_UNIT_UTF16: OffsetUnit.UTF16,
    linking.OFFSET_UNIT_UTF8: OffsetUnit.UTF8,
}


@pytest.fixture(scope="module")
def annotator(linker: Linker) -> Annotator:
    return Annotator(linker)


def request(*notes: str, options: Options = Options()) -> linking.AnnotateDocumentsRequest:
    return annotate_request([document_message(Note(note)) for note in notes], options)


def expected(annotator: Annotator, note: str, options: Options = Options(), unit: int = 1) -> list[bytes]:
    (annotated,) = annotator.annotate([note], options)
    offsets = Offsets(note, UNITS[unit])
    return [
        annotated_mention_message(mention, offsets).SerializeToString(deterministic=True)
        for mention in annotated.mentions
    ]


def mentions(result: linking.DocumentResult) -> list[bytes]:
    assert result.WhichOneof("outcome") == "annotation"
    return [mention.SerializeToString(deterministic=True) for mention in result.annotation.mentions]


@pytest.mark.parametrize("unit", UNITS)
def test_the_same_as_in_process_in_any_unit(served: Any, annotator: Annotator, unit: int) -> None:
    message = request(NOTE, "", LONG, "asma")
    message.offset_unit = unit
    response = served.linking.AnnotateDocuments(message)
    assert [mentions(result) for result in response.results] == [
        expected(annotator, note, unit=unit) for note in (NOTE, "", LONG, "asma")
    ]
    assert len(response.results[2].annotation.mentions) > 1000
    assert response.provenance.bundle_digest == annotator.linker.bundle.digest
    timing = response.timing
    assert timing.detect_duration.ToNanoseconds() > 0
    assert 0 < timing.encode_duration.ToNanoseconds() < timing.total_duration.ToNanoseconds()


WORDS = (
    "asthma MI TD FH: PMH: no possible father heart attack type 2 1 or diabetes mellitus (TD) . , [**x **] \U0001f600 é"
)
notes = st.lists(st.sampled_from([*WORDS.split(), " ", "\r\n", "\n\n"]), max_size=40).map(" ".join)


@settings(max_examples=60)
@given(st.lists(notes, min_size=1, max_size=5), st.sampled_from([Options(), Options(top_k=1, min_confidence=0.9)]))
def test_the_same_as_in_process_for_any_notes(
    served: Any, annotator: Annotator, texts: list[str], options: Options
) -> None:
    response = served.linking.AnnotateDocuments(request(*texts, options=options))
    assert [mentions(result) for result in response.results] == [expected(annotator, t, options) for t in texts]


def test_a_filter_says_which_names_are_found(served: Any, annotator: Annotator) -> None:
    options = Options(filter=ConceptFilter(frozenset({"substance"})))
    (result,) = served.linking.AnnotateDocuments(request("metformin, asthma", options=options)).results
    assert mentions(result) == expected(annotator, "metformin, asthma", options)
    assert [m.link.match.candidates[0].concept.id for m in result.annotation.mentions] == ["CLINIC:0007"]


def test_ids_come_back_and_spans_may_be_given(served: Any, linker: Linker) -> None:
    text = "FH: \U0001f600 asthm or breast and asma"
    spans = [Span(((0, 2),)), Span(((6, 11),)), Span(((6, 11), (26, 30))), Span(((26, 30),))]
    (annotated,) = Annotator(linker, detector=GivenDetector([spans])).annotate([text])
    utf16 = Offsets(text, OffsetUnit.UTF16)
    message = linking.AnnotateDocumentsRequest(offset_unit=linking.OFFSET_UNIT_UTF16)
    message.documents.add(document_id="a", text=text).given.SetInParent()
    for span in spans:
        pieces = [{"begin": utf16.of(begin), "end": utf16.of(end)} for begin, end in span.pieces]
        message.documents[0].given.spans.add(pieces=pieces)
    message.documents.add(document_id="b", text=text).given.SetInParent()
    message.documents.add(document_id="c", text="asthma")
    a, b, c = served.linking.AnnotateDocuments(message).results
    assert [a.document_id, b.document_id, c.document_id] == ["a", "b", "c"]
    assert mentions(a) == [
        annotated_mention_message(m, utf16).SerializeToString(deterministic=True) for m in annotated.mentions
    ]
    assert mentions(b) == []
    assert len(mentions(c)) == 1


def test_given_spans_of_a_long_note_keep_their_order(served: Any, annotator: Annotator) -> None:
    (annotated,) = annotator.annotate([LONG])
    spans = [mention.span for mention in annotated.mentions]
    message = annotate_request([document_message(Note(LONG, tuple(spans)))], Options(top_k=1))
    (result,) = served.linking.AnnotateDocuments(message).results
    received = annotated_note(result.annotation, LONG).mentions
    assert [m.span for m in received] == spans
    assert [m.assertions for m in received] == [m.assertions for m in annotated.mentions]


SPANISH = "Los problemas del paciente son asthma y MI.\nAF: asthma"


def test_a_server_reads_notes_in_their_language_by_the_rules_of_its_operator(bundle: Path, tmp_path: Path) -> None:
    from tests.server.conftest import Running
    from tests.server.conftest import settings as settings_

    rules, sections = tmp_path / "pt.toml", tmp_path / "sections.toml"
    rules.write_text('language = "pt"\n[[trigger]]\nassertion = "negated"\nscope = "after"\nphrases = ["nega"]\n')
    sections.write_text('[[section]]\nname = "family"\nheaders = ["AF"]\nassertions = ["family"]\n')
    running = Running(settings_(rules=(rules,), sections=sections), {"clinic": bundle})
    try:
        notes = [Note("nega asthma. AF: MI", language="pt"), Note(SPANISH), Note(SPANISH, language="nl"), Note("")]
        response = running.linking.AnnotateDocuments(
            annotate_request([document_message(note) for note in notes], Options())
        )
        expected = Annotator(
            Linker.open(bundle), triggers=Triggers([*TRIGGERS, rules]), headers=Headers(sections)
        ).annotate(notes)
    finally:
        running.close()
    received = [
        annotated_note(result.annotation, note.text) for result, note in zip(response.results, notes, strict=True)
    ]
    told = [
        [(n.language, n.without_rules, [(m.assertions, m.section) for m in n.mentions]) for n in of]
        for of in (received, expected)
    ]
    assert told[0] == told[1]
    assert [(n.language, n.without_rules) for n in received] == [
        ("pt", False),
        ("es", False),
        ("nl", True),
        ("und", False),
    ]
    assert [(set(m.assertions), m.section) for m in received[1].mentions] == [
        (set(), ""),
        (set(), ""),
        ({"family"}, "family"),
    ]


def test_rules_that_cannot_be_read_stop_a_server_at_its_start(bundle: Path, tmp_path: Path) -> None:
    from tests.server.conftest import Running
    from tests.server.conftest import settings as settings_

    with pytest.raises(InvalidInput, match=r"none.toml: cannot be read"):
        Running(settings_(rules=(tmp_path / "none.toml",)), {"clinic": bundle}, opened=False)


def detail(error: grpc.RpcError) -> list[str]:
    trailers = dict(error.trailing_metadata())
    [packed] = Status.FromString(trailers["grpc-status-details-bin"]).details
    bad = BadRequest()
    assert packed.Unpack(bad)
    return [violation.field for violation in bad.field_violations]


def spans(*pieces: tuple[int, int]) -> dict[str, Any]:
    return {"text": "an MI \U0001f600", "given": {"spans": [{"pieces": [{"begin": b, "end": e} for b, e in pieces]}]}}


@pytest.mark.parametrize(
    ("documents", "fields"),
    [
        ([], ["documents"]),
        ([{"text": "a"}] * 257, ["documents"]),
        ([{"text": "a" * 1_000_001}], ["documents[0].text"]),
        ([{"text": "a"}, {"document_id": "i" * 129}], ["documents[1].document_id"]),
        ([{"text": "a", "language": "spanish"}], ["documents[0].language"]),
        ([{"language": "es-"}, {"language": "é"}], ["documents[0].language", "documents[1].language"]),
        ([spans()], ["documents[0].given.spans[0].pieces"]),
        ([spans((3, 5), (4, 6))], ["documents[0].given.spans[0].pieces"]),
        ([spans((3, 6), (6, 9))], ["documents[0].given.spans[0].pieces[1]"]),
        ([spans((-1, 2))], ["documents[0].given.spans[0].pieces[0]"]),
        ([spans((7, 8))], ["documents[0].given.spans[0].pieces[0].begin"]),
        ([{"given": {"spans": [{}] * 10_001}}], ["documents"]),
        (
            [
                {
                    "text": "abcd",
                    "given": {"spans": [*spans((2, 3))["given"]["spans"], *spans((1, 2))["given"]["spans"]]},
                }
            ],
            ["documents[0].given.spans[1]"],
        ),
    ],
)
def test_bad_fields_are_named(served: Any, documents: list[dict[str, Any]], fields: list[str]) -> None:
    message = linking.AnnotateDocumentsRequest(documents=documents, offset_unit=linking.OFFSET_UNIT_UTF16)
    with pytest.raises(grpc.RpcError) as raised:
        served.linking.AnnotateDocuments(message)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert detail(raised.value) == fields


def test_options_are_checked_as_for_mentions(served: Any, linker: Linker) -> None:
    for options, code in (
        ({"top_k": 101}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"codes": ["NONE"]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"value_set": ["NONE:1"]}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"bundle": "other"}, grpc.StatusCode.INVALID_ARGUMENT),
        ({"bundle_digest": "0" * 64}, grpc.StatusCode.FAILED_PRECONDITION),
    ):
        with pytest.raises(grpc.RpcError) as raised:
            served.linking.AnnotateDocuments(linking.AnnotateDocumentsRequest(documents=[{}], options=options))
        assert raised.value.code() is code


def test_a_response_that_is_too_large(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_MESSAGE_BYTES", 1000)
    with pytest.raises(grpc.RpcError) as raised:
        served.linking.AnnotateDocuments(request(NOTE))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "fewer or shorter documents" in raised.value.details()


def test_what_can_never_be_answered(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_FOUND", 10)
    with pytest.raises(grpc.RpcError) as raised:
        served.linking.AnnotateDocuments(request("asma\n" * 6, "asma\n" * 5))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "more than 10 mentions" in raised.value.details()


@pytest.mark.parametrize("room", ["find", "link"])
def test_a_document_that_fails_fails_alone(
    start: Callable[..., Any], log_lines: Any, monkeypatch: pytest.MonkeyPatch, room: str
) -> None:
    running = start()
    whole = getattr(Annotator, room)

    def fails(annotator: Annotator, items: Any, options: Options) -> Any:
        texts = [item.text if room == "find" else item.mention.context for item in items]
        if any("secret" in text for text in texts):
            raise ValueError("secret")
        return whole(annotator, items, options)

    monkeypatch.setattr(Annotator, room, fails)
    good, bad, other = running.linking.AnnotateDocuments(request("asma", "secret MI", "MI")).results
    assert len(good.annotation.mentions) == len(other.annotation.mentions) == 1
    assert bad.error.code == grpc.StatusCode.INTERNAL.value[0]
    assert bad.error.message == "internal error; the server's log says where"
    assert "ValueError" in log_lines.getvalue()
    assert "secret" not in log_lines.getvalue()


class Gate:
    """Holds each batch of parts until it is let go on, and remembers how many they were."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        self.read: list[int] = []
        find = Annotator.find

        def gated(annotator: Annotator, parts: Any, options: Options) -> Any:
            self.read.append(len(parts))
            self.entered.release()
            assert self.open.wait(WAIT_S)
            return find(annotator, parts, options)

        monkeypatch.setattr(Annotator, "find", gated)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_mention_passes_a_long_document(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    running = start(workers=1)
    gate = Gate(monkeypatch)
    long = running.linking.AnnotateDocuments.future(request(LONG * 8), timeout=60)
    assert gate.entered.acquire(timeout=WAIT_S)
    assert running.linking.LinkMentions(link_request([Mention("MI")], Options()), timeout=WAIT_S).results
    assert not long.done()
    assert len(gate.read) == 1  # and that batch is still being read
    gate.open.set()
    long.cancel()


def test_what_is_late_or_cancelled_is_not_read_on(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    running = start(workers=1)
    gate = Gate(monkeypatch)
    with pytest.raises(grpc.RpcError) as raised:
        running.linking.AnnotateDocuments(request(LONG * 4), timeout=0.3)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    gone = running.linking.AnnotateDocuments.future(request(LONG * 4), timeout=60)
    wait_for(lambda: running.server.batcher.queued > 1000)
    gone.cancel()
    wait_for(lambda: running.server.batcher.queued == 0)
    read = len(gate.read)
    gate.open.set()
    assert running.linking.LinkMentions(link_request([Mention("MI")], Options())).results
    assert len(gate.read) == read


def test_a_full_queue_counts_what_is_expected(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a document that a worker has, whose mentions nobody knows yet."""
    running = start(workers=1, max_queued_tokens=100)
    gate = Gate(monkeypatch)
    first = running.linking.AnnotateDocuments.future(request(LONG[:3900]), timeout=60)
    assert gate.entered.acquire(timeout=WAIT_S)
    assert running.server.batcher.queued > 100
    with pytest.raises(grpc.RpcError) as raised:
        running.linking.AnnotateDocuments(request(LONG[:3900]))
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    gate.open.set()
    assert first.result().results
    wait_for(lambda: running.server.batcher.queued == 0)


def test_a_stream_answers_each_batch_as_a_call_does(served: Any) -> None:
    sent = [
        linking.StreamAnnotateDocumentsRequest(batch_id=number, request=request(*[NOTE] * (number % 3), "asma"))
        for number in range(10)
    ]
    bad = linking.StreamAnnotateDocumentsRequest(batch_id=99)
    answers = {answer.batch_id: answer for answer in served.linking.StreamAnnotateDocuments(iter([*sent, bad]))}
    assert sorted(answers) == [*range(10), 99]
    for batch in sent:
        alone = served.linking.AnnotateDocuments(batch.request)
        assert answers[batch.batch_id].response.results == alone.results
    assert answers[99].error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


def test_a_stream_leaves_when_the_server_stops(start: Callable[..., Any], tmp_path: Path) -> None:
    running = start()
    open_ = threading.Event()

    def batches() -> Any:
        yield linking.StreamAnnotateDocumentsRequest(batch_id=1, request=request(NOTE))
        open_.wait(WAIT_S)

    answers = running.linking.StreamAnnotateDocuments(batches(), timeout=WAIT_S)
    assert next(answers).response.results
    running.run(running.server.drain())
    assert [answer.go_away.reason for answer in answers] == [linking.GO_AWAY_REASON_STOPPING]
    open_.set()
