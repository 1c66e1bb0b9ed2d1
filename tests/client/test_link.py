"""`link` of both clients, against servers that answer by a script."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import linker.client as public
from linker import limits
from linker.client import (
    TLS,
    AsyncLinkerClient,
    DeadlineExceeded,
    LinkerClient,
    NotAllowed,
    Overloaded,
    ServerFault,
    Settings,
    TooLarge,
    Unavailable,
    WrongBundle,
)
from linker.client.batches import MENTIONS, NOTES, Cutter
from linker.documents import annotate_request
from linker.errors import InvalidInput, LinkerError, NotFound
from linker.options import Options
from linker.records import Mention
from linker.wire import link_request

Drive = Callable[..., Any]
BY_TEN = Settings(batch_size=10, in_flight=3)


def texts(count: int) -> list[str]:
    return [f"mention {number}" for number in range(count)]


def answers(links: list[Any]) -> list[str]:
    return [link.concept.concept_id.removeprefix("ECHO:") for link in links]


@pytest.mark.parametrize("count", [0, 1, 10, 11, 95])
def test_any_number_of_mentions_in_order(drive: Drive, serving: Any, scripted: Any, count: int) -> None:
    links = drive(serving.address, lambda client: client.link(texts(count)), BY_TEN)
    assert answers(links) == [link.mention.text for link in links] == texts(count)
    assert sum(len(request.mentions) for request in scripted.requests) == count
    assert all(1 <= len(request.mentions) <= 10 for request in scripted.requests)


@example([Mention("a", "😀" * 8192)] * 300, 1024)
@given(
    st.lists(st.builds(Mention, st.sampled_from("aé😀"), st.integers(0, 8192).map(lambda n: "😀" * n)), max_size=400),
    st.integers(1, 1024),
)
def test_every_request_is_within_the_limits(mentions: list[Mention], size: int) -> None:
    cutter = Cutter(MENTIONS, link_request([], Options()), size=size)
    batches = [batch for batch in (*map(cutter.add, mentions), cutter.rest()) if batch is not None]
    assert [mention for batch in batches for mention in batch.items] == mentions
    assert [batch.first for batch in batches] == [sum(len(b.items) for b in batches[:n]) for n in range(len(batches))]
    for batch in batches:
        assert len(batch.items) == len(batch.request.mentions) <= size
        assert batch.request.ByteSize() <= limits.MAX_MESSAGE_BYTES


@example(["😀" * 1_000_000] * 3, 1_000_000)
@given(st.lists(st.integers(0, 3000).map(lambda n: "é" * n), max_size=600), st.integers(1, 10_000))
def test_every_request_of_notes_is_within_the_limits(notes: list[str], size: int) -> None:
    cutter = Cutter(NOTES, annotate_request([], Options()), size=size)
    batches = [batch for batch in (*map(cutter.add, notes), cutter.rest()) if batch is not None]
    assert [note.text for batch in batches for note in batch.items] == notes
    for batch in batches:
        assert len(batch.items) == len(batch.request.documents) <= limits.MAX_DOCUMENTS
        assert sum(len(note.text) for note in batch.items) <= size or len(batch.items) == 1
        assert batch.request.ByteSize() <= limits.MAX_MESSAGE_BYTES


def test_notes_go_as_mentions_do(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.faults += [scripted.busy(0.01), None, scripted.fault("UNAVAILABLE")]
    scripted.too_large = 3
    settings = Settings(batch_characters=100, in_flight=2)
    notes = drive(serving.address, lambda client: client.annotate(texts(40)), settings)
    assert [note.text for note in notes] == texts(40)
    assert answers([mention.link for note in notes for mention in note.mentions]) == texts(40)
    assert {request.options.bundle_digest for request in scripted.requests} == {"", scripted.digest}


def test_a_note_that_the_server_fails_with(drive: Drive, serving: Any) -> None:
    notes = ["a"] * 12 + ["bad"] + ["b"] * 3
    settings = Settings(batch_characters=5)
    with pytest.raises(ServerFault, match=r"^notes\[12\]: internal error$"):
        drive(serving.address, lambda client: client.annotate(notes), settings)

    def streamed(client: LinkerClient | AsyncLinkerClient) -> Any:
        batches = client.annotate_stream(notes)
        return list(batches) if isinstance(client, LinkerClient) else batches

    found = [note for batch in drive(serving.address, streamed, settings) for note in batch.notes]
    assert [isinstance(note, ServerFault) for note in found] == [note == "bad" for note in notes]


def test_a_few_requests_at_a_time(serving: Any, scripted: Any) -> None:
    scripted.gate.clear()
    thread = threading.Thread(target=lambda: LinkerClient(serving.address, settings=BY_TEN).link(texts(95)))
    thread.start()
    while len(scripted.requests) < 3:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(scripted.requests) == 3
    scripted.gate.set()
    thread.join()
    assert len(scripted.requests) == 10


def test_an_overloaded_server_is_asked_again_when_it_says(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.faults += [scripted.busy(0.2), scripted.busy(0.1)]
    began = time.monotonic()
    assert answers(drive(serving.address, lambda client: client.link(["a"]))) == ["a"]
    assert len(scripted.requests) == 3
    assert time.monotonic() - began >= 0.3


def test_a_server_overloaded_beyond_the_deadline(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.faults += [scripted.busy(60)]
    with pytest.raises(Overloaded, match="too much is waiting") as raised:
        drive(serving.address, lambda client: client.link(["a"]), Settings(timeout_s=20))
    assert raised.value.retry_after_s == 60
    assert len(scripted.requests) == 1


def test_a_server_that_is_gone_is_tried_again(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.faults += [scripted.fault("UNAVAILABLE")] * 2
    assert answers(drive(serving.address, lambda client: client.link(["a"]))) == ["a"]
    assert len(scripted.requests) == 3


def test_no_server_at_all(drive: Drive) -> None:
    with pytest.raises(Unavailable):
        drive("127.0.0.1:1", lambda client: client.link(["a"]), Settings(timeout_s=20))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INVALID_ARGUMENT", InvalidInput),
        ("NOT_FOUND", NotFound),
        ("FAILED_PRECONDITION", WrongBundle),
        ("UNAUTHENTICATED", NotAllowed),
        ("PERMISSION_DENIED", NotAllowed),
        ("INTERNAL", ServerFault),
        ("UNIMPLEMENTED", ServerFault),
    ],
)
def test_every_failure_has_a_type_and_is_final(
    drive: Drive, serving: Any, scripted: Any, code: str, kind: type[LinkerError]
) -> None:
    scripted.faults += [scripted.fault(code, "what the server says")]
    with pytest.raises(kind, match="what the server says"):
        drive(serving.address, lambda client: client.link(["a"]))
    assert len(scripted.requests) == 1


def test_a_bad_field_is_named_by_its_place_among_all_mentions(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.faults += [None, None, scripted.bad("mentions[4].text")]
    with pytest.raises(InvalidInput, match="expected 1 to 1,024 characters") as raised:
        drive(serving.address, lambda client: client.link(texts(30)), Settings(batch_size=10, in_flight=1))
    assert raised.value.field == "mentions[24].text"


@pytest.mark.parametrize("mention", ["half \ud800 of a pair", Mention("a", "half \ud800")])
def test_text_that_is_not_unicode(drive: Drive, serving: Any, mention: Any) -> None:
    with pytest.raises(InvalidInput, match=r"mentions\[1\]: expected Unicode") as raised:
        drive(serving.address, lambda client: client.link(["a", mention]))
    assert raised.value.__cause__ is None


def test_an_answer_that_is_too_large_comes_in_parts(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.too_large = 4
    links = drive(serving.address, lambda client: client.link(texts(23)), BY_TEN)
    assert answers(links) == texts(23)
    pinned = {request.options.bundle_digest for request in scripted.requests}
    assert pinned == {"", scripted.digest}  # parts of one request are of one bundle


def test_one_mention_whose_answer_is_too_large(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.too_large = 1
    with pytest.raises(TooLarge, match="too many bytes"):
        drive(serving.address, lambda client: client.link(texts(2)))


def test_the_deadline(drive: Drive, serving: Any, scripted: Any) -> None:
    scripted.gate.clear()
    with pytest.raises(DeadlineExceeded):
        drive(serving.address, lambda client: client.link(["a"]), Settings(timeout_s=0.2))


def test_bundle_digest_and_options_go_with_every_request(drive: Drive, serving: Any, scripted: Any) -> None:
    settings = Settings(bundle="mondo", bundle_digest=scripted.digest, batch_size=1)
    drive(serving.address, lambda client: client.link(["a", "b"], Options(top_k=7)), settings)
    for request in scripted.requests:
        assert (request.options.bundle, request.options.bundle_digest) == ("mondo", scripted.digest)
        assert request.options.top_k == 7
    with pytest.raises(WrongBundle, match="another bundle"):
        drive(serving.address, lambda client: client.link(["a"]), Settings(bundle_digest="e" * 64))


def test_cancelling_ends_the_calls(serving: Any, scripted: Any) -> None:
    scripted.gate.clear()

    async def main() -> None:
        async with AsyncLinkerClient(serving.address, settings=BY_TEN) as client:
            task = asyncio.create_task(client.link(texts(30)))
            while not scripted.requests:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


def test_a_token_goes_with_every_call(drive: Drive, serving: Any, scripted: Any) -> None:
    drive(serving.address, lambda client: client.link(["a"]), Settings(token="secret"))
    assert scripted.metadata[-1]["authorization"] == "Bearer secret"
    assert scripted.metadata[-1]["user-agent"].startswith("medlinker/")
    assert "secret" not in repr(Settings(token="secret"))


@pytest.mark.parametrize("address", ["linker.example:50051", "10.0.0.1:50051", "dns:///linker.example:50051"])
def test_a_token_does_not_cross_the_network_in_plain_text(address: str) -> None:
    with pytest.raises(InvalidInput, match="plain text"):
        LinkerClient(address, settings=Settings(token="secret"))
    LinkerClient(address, settings=Settings(token="secret", tls=TLS())).close()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        (Settings(batch_size=0), "batch_size"),
        (Settings(batch_size=1025), "batch_size"),
        (Settings(batch_characters=0), "batch_characters"),
        (Settings(in_flight=0), "in_flight"),
        (Settings(timeout_s=float("nan")), "timeout_s"),
        (Settings(token="two\nlines"), "token"),
    ],
)
def test_settings_out_of_range(settings: Settings, field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        LinkerClient("127.0.0.1:50051", settings=settings)
    assert raised.value.field == field


def test_the_public_face_is_sorted() -> None:
    constants_first = sorted(public.__all__, key=lambda name: (not name.isupper(), name))
    assert public.__all__ == constants_first
    assert all(hasattr(public, name) for name in public.__all__)


def test_a_client_needs_no_engine() -> None:
    code = (
        "import sys\n"
        "import linker.client\n"
        "unwanted = {'faiss', 'onnxruntime', 'tokenizers', 'torch', 'transformers', 'pyarrow', 'duckdb'}\n"
        "assert not unwanted & set(sys.modules), unwanted & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
